/** Sizes and durations as people write them. Pure. */

const SIZE_MIB: Readonly<Record<string, number>> = { MiB: 1, GiB: 1024, TiB: 1024 * 1024 };
const DURATION_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

export const SIZE_PATTERN = /^[0-9]+(\.[0-9]+)? ?(MiB|GiB|TiB)$/;
export const DURATION_PATTERN = /^[0-9]+ ?(s|m|h)$/;

/** `20GiB`, `1.5GiB`, `512MiB` -> MiB. Undefined if it is no size or not a whole number of MiB. */
export function parseSize(text: string): number | undefined {
  if (!SIZE_PATTERN.test(text)) return undefined;
  const unit = text.slice(-3);
  const sizeMiB = Number(text.slice(0, -3)) * (SIZE_MIB[unit] ?? Number.NaN);
  return Number.isSafeInteger(sizeMiB) && sizeMiB > 0 ? sizeMiB : undefined;
}

/** MiB in the largest unit that gives a whole number. */
export function formatSize(sizeMiB: number): string {
  for (const unit of ["TiB", "GiB"]) {
    const factor = SIZE_MIB[unit] ?? Number.NaN;
    if (sizeMiB >= factor && sizeMiB % factor === 0) return `${sizeMiB / factor}${unit}`;
  }
  return `${sizeMiB}MiB`;
}

/** `90s`, `5m`, `2h` -> seconds. Undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  const seconds = Number(text.slice(0, -1)) * (DURATION_SECONDS[text.slice(-1)] ?? Number.NaN);
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : undefined;
}
