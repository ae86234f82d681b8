const paths = {
  runs: 'M3 17l5-6 4 3 8-9M3 21h18',
  new: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  playground: 'M4 5h16v11H9l-5 4z',
  system: 'M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01',
  pause: 'M8 5v14M16 5v14',
  resume: 'M7 5l12 7-12 7z',
  cancel: 'M6 6l12 12M18 6L6 18',
  delete: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  clone: 'M8 8h12v12H8zM16 8V4H4v12h4',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z',
  system_theme: 'M3 5h18v11H3zM9 20h6M12 16v4',
  key: 'M14 10a4 4 0 1 1-4-4 4 4 0 0 1 4 4zM13 13l7 7M17 17l2-2',
  up: 'M6 15l6-6 6 6',
  down: 'M6 9l6 6 6-6',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4',
  reset: 'M4 12a8 8 0 1 0 3-6.2M4 4v5h5',
  menu: 'M4 7h16M4 12h16M4 17h16',
  book: 'M5 4h14v16H5zM9 4v16',
} as const;

export type IconName = keyof typeof paths;

/** A sign of 16 pixels that takes the colour of the text. Never alone: what it means is said beside it or in a label. */
export const Icon = ({ name, size = 16 }: { name: IconName; size?: number }) => (
  <svg
    width={size}
    height={size}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.8"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
    focusable="false"
  >
    <path d={paths[name]} />
  </svg>
);
