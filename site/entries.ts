/** Maps of a site file. Pure. */

type Entries<T> = Readonly<Record<string, T>>;

/** Sorted by name, so that the order in the file changes nothing. */
export function entries<T>(record: Entries<T> | null | undefined): [string, T][] {
  return Object.entries(record ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `constructor` and the like are valid names too. */
export function entryOf<T>(
  record: Entries<T> | null | undefined,
  name: string | undefined,
): T | undefined {
  if (record === null || record === undefined || name === undefined) return undefined;
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
