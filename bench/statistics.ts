/** Medians, percentiles and slopes of measured numbers. */

export function median(numbers: readonly number[]): number {
  return percentile(numbers, 50);
}

/** The nearest-rank percentile. NaN without numbers. */
export function percentile(numbers: readonly number[] | Float64Array, percent: number): number {
  return percentileOfSorted(Float64Array.from(numbers).sort(), percent);
}

/** As `percentile`, for sorted numbers. */
export function percentileOfSorted(sorted: Float64Array, percent: number): number {
  if (percent === 50 && sorted.length % 2 === 0 && sorted.length > 0) {
    const upper = sorted.length / 2;
    return ((sorted[upper - 1] ?? Number.NaN) + (sorted[upper] ?? Number.NaN)) / 2;
  }
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

export function extent(numbers: readonly number[]): [number, number] {
  return [Math.min(...numbers), Math.max(...numbers)];
}

/** Least-squares slope of y over x. */
export function slope(points: readonly { readonly x: number; readonly y: number }[]): number {
  const meanX = mean(points.map((point) => point.x));
  const meanY = mean(points.map((point) => point.y));
  let covariance = 0;
  let variance = 0;
  for (const { x, y } of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return covariance / variance;
}
