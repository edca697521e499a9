/**
 * The order of test files. The lab's scenarios run in the order of their names: everyday use first.
 * Of the other files, the longest ones start first, so that none of them is left at the end.
 */
const LONGEST = ["scripts/model", "grpc/hostile", "scripts/crash", "scripts/hostile", "grpc/guest"];

function rank({ path }) {
  const index = LONGEST.findIndex((name) => path.endsWith(`/tests/${name}.test.ts`));
  return index === -1 ? LONGEST.length : index;
}

export default class {
  sort(tests) {
    return [...tests].sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
  }

  /** Without a record of earlier runs, `--onlyFailures` and `--shard` select all tests. */
  allFailedTests(tests) {
    return tests;
  }

  shard(tests) {
    return tests;
  }

  cacheResults() {}
}
