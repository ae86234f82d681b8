/** The issue of options that exclude each other: `message` names both fields and is a whole sentence. */
export const contradiction = (path: (string | number)[], message: string) => ({
  code: 'custom' as const,
  path,
  message,
  params: { code: 'contradictory_options' },
});
