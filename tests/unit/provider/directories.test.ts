/** VMs of one pass that ask a host for directories need few runs, independent of their number. */
import { Directories } from "../../../provider/hosts/directories";
import type { Call } from "../../../provider/hosts/operations/operation";

const call = (signal = new AbortController().signal): Call => ({
  urn: "",
  status: () => undefined,
  deadline: Date.now() + 5_000,
  signal,
});

/** A host that has the directories. `runs`: the paths of each run. */
function hostWith(has: string[]): {
  directories: Directories;
  runs: string[][];
  most: () => number;
} {
  const runs: string[][] = [];
  let [now, most] = [0, 0];
  const ask = async (
    _: Call,
    __: string,
    parameters: Record<string, unknown>,
  ): Promise<string[]> => {
    const paths = String(parameters["paths"]).split(" ");
    runs.push(paths);
    most = Math.max(most, (now += 1));
    await new Promise((resolve) => setTimeout(resolve, 200));
    now -= 1;
    return paths.filter((path) => !has.includes(path));
  };
  return { directories: new Directories({ name: "hv1", ask }), runs, most: () => most };
}

const VMS = Array.from({ length: 30 }, (_, index) => `/srv/vm${index}`);
const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test("30 VMs ask with one run, and each gets its own answer", async () => {
  const { directories, runs } = hostWith(["/srv/all", ...VMS.slice(1)]);
  const answers = await Promise.all(
    VMS.map((path) => directories.missing(call(), ["/srv/all", path, "/srv/none"])),
  );
  expect(answers).toEqual([["/srv/vm0", "/srv/none"], ...VMS.slice(1).map(() => ["/srv/none"])]);
  expect(runs).toHaveLength(1);
  expect(runs[0]).toHaveLength(32);
});

test("VMs that come during a run share the next one", async () => {
  const { directories, runs, most } = hostWith(VMS);
  const first = directories.missing(call(), ["/srv/vm0"]);
  await later(100);
  await Promise.all(
    VMS.slice(1).map(async (path, index) => {
      await later(3 * index);
      return directories.missing(call(), [path]);
    }),
  );
  await first;
  expect(runs.map(({ length }) => length)).toEqual([1, 29]);
  expect(most()).toBe(1);
});

test("a directory that was found is not asked for again, a missing one is", async () => {
  const has = ["/srv/a"];
  const { directories, runs } = hostWith(has);
  expect(await directories.missing(call(), ["/srv/a", "/srv/b"])).toEqual(["/srv/b"]);
  has.push("/srv/b");
  expect(await directories.missing(call(), ["/srv/a", "/srv/b"])).toEqual([]);
  expect(await directories.missing(call(), ["/srv/a", "/srv/b"])).toEqual([]);
  expect(await directories.missing(call(), [])).toEqual([]);
  expect(runs).toEqual([["/srv/a", "/srv/b"], ["/srv/b"]]);
});

test("a cancelled call and a run that failed do not harm later ones", async () => {
  const { directories, runs } = hostWith(["/srv/a"]);
  const stop = new AbortController();
  const cancelled = directories.missing(call(stop.signal), ["/srv/b"]);
  stop.abort();
  await expect(cancelled).rejects.toThrow("hv1: cancelled");
  expect(await directories.missing(call(), ["/srv/a"])).toEqual([]);

  let fails = true;
  const broken = new Directories({
    name: "hv1",
    ask: () => (fails ? Promise.reject(new Error("no link")) : Promise.resolve([])),
  });
  await expect(broken.missing(call(), ["/srv/a"])).rejects.toThrow("no link");
  fails = false;
  expect(await broken.missing(call(), ["/srv/a"])).toEqual([]);
  expect(runs.length).toBeLessThanOrEqual(2);
});
