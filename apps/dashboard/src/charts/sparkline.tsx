const width = 80;
const height = 24;

/** A curve of a few dozen points without axes. What it shows is said beside it in numbers. */
export const Sparkline = ({ points }: { points: readonly number[] }) => {
  if (points.length < 2) return <svg width={width} height={height} aria-hidden="true" />;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of points) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const range = high - low || 1;
  const path = points
    .map((value, place) => {
      const x = 1 + ((width - 2) * place) / (points.length - 1);
      const y = 2 + ((height - 4) * (high - value)) / range;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(' ');
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <polyline points={path} fill="none" stroke="var(--accent)" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  );
};
