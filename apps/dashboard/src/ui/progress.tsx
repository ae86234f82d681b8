import './progress.css';

/** A bar of what is done. @param share from 0 to 1, or null where the end is not known */
export const Progress = ({ share, label }: { share: number | null; label: string }) => (
  <progress className="progress" aria-label={label} max={1} value={share ?? 0} />
);
