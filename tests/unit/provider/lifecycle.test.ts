/** How lifecycle.ts treats a resource, shown with one that exists only in memory. */
import { z } from "zod";
import { HostPool } from "../../../provider/hosts/pool";
import { bind } from "../../../provider/lifecycle";
import { configSchema } from "../../../provider/hosts/transport/config";
import { silentLog } from "../../../provider/log";
import type { Context, Resource } from "../../../provider/resource";
import { contextOf } from "./context";

const inputs = z.object({ host: z.string(), size: z.number(), note: z.string().default("") });
const outputs = z.object({ live: z.number() });
type Inputs = z.infer<typeof inputs>;
type State = z.infer<typeof outputs>;

const thing: Resource<Inputs, State> = {
  type: "Thing",
  description: "",
  inputs,
  outputs,
  timeoutSeconds: 1,
  immutable: {},
  incidental: ["note"],
  mirrored: [],
  id: ({ host }) => host,
  drift: ({ live }, { size }) => (live === size ? [] : ["live"]),
  predict: ({ size }) => ({ live: size }),
  explain: ({ isNew, inputs: { size }, observed, before }) =>
    isNew
      ? `new ${size} (${observed?.live})`
      : size === before?.size
        ? undefined
        : `${before?.size} (${observed?.live}) -> ${size}`,
  observe: () => Promise.resolve({ live: 1 }),
  converge: (_context, { size }) => Promise.resolve({ live: size }),
  remove: () => Promise.resolve(),
};

const state = { host: "h", size: 1, live: 1 };
const old = { host: "h", size: 1, note: "a" };

describe("an incidental input", () => {
  const changed = (news: object, of: object = old, ignored: string[] = []): string[] => [
    ...bind(thing)
      .diff(state, { ...of }, { ...old, ...news }, ignored)
      .keys(),
  ];

  test("alone changes nothing", () => expect(changed({ note: "b" })).toEqual([]));
  test("changes nothing if an older state lacks it", () => {
    expect(changed({}, { host: "h", size: 1 })).toEqual([]);
  });
  test("is shown together with another change", () => {
    expect(changed({ note: "b", size: 2 }).sort()).toEqual(["note", "size"]);
  });
  test("is not shown together with an ignored change", () => {
    expect(changed({ note: "b", size: 2 }, old, ["size", "live"])).toEqual([]);
  });
});

describe("an output that differs from the inputs", () => {
  const changed = (live: number, news: object, ignored: string[] = []): string[] =>
    [
      ...bind(thing)
        .diff({ ...state, live }, old, { ...old, ...news }, ignored)
        .keys(),
    ].sort();

  test("is drift without a change of the site", () => expect(changed(3, {})).toEqual(["live"]));
  test("is not shown if the change of the site causes the difference", () => {
    expect(changed(1, { size: 2 })).toEqual(["size"]);
  });
  test("is shown with a change of the site if it was drift before", () => {
    expect(changed(3, { size: 2 })).toEqual(["live", "size"]);
  });
  test("is shown if the change of the site is ignored", () => {
    expect(changed(1, { size: 2 }, ["size"])).toEqual(["live"]);
    expect(changed(3, { note: "b" })).toEqual(["live", "note"]);
  });
});

describe("explain", () => {
  let lines: string[];
  beforeEach(() => (lines = []));

  function logging(): Context {
    return {
      urn: "urn",
      deadline: Date.now() + 1000,
      workSeconds: 1,
      signal: new AbortController().signal,
      status: () => undefined,
      pool: new HostPool({ hosts: {}, agent: false, identityFiles: [], privateKey: undefined }),
      log: { ...silentLog, info: (urn, message) => lines.push(`${urn}: ${message}`) },
    };
  }

  async function said(preview: boolean, news: object, before: object = old): Promise<string[]> {
    lines = [];
    await bind(thing).update(
      logging(),
      { state, inputs: { ...before } },
      { ...old, ...news },
      preview,
    );
    return lines;
  }

  test("is logged by the preview of a creation, which knows that it is one", async () => {
    await bind(thing).create(logging(), old, true);
    await bind(thing).create(logging(), old, false);
    expect(lines).toEqual(["urn: new 1 (1)"]);
  });

  test("is logged only by the preview of an update", async () => {
    expect(await said(true, { size: 2 })).toEqual(["urn: 1 (1) -> 2"]);
    expect(await said(false, { size: 2 })).toEqual([]);
    expect(await said(true, { size: 1 })).toEqual([]);
  });

  test("is skipped if the recorded inputs cannot be read", async () => {
    expect(await said(true, { size: 2 }, { host: 7 })).toEqual(["urn: undefined (1) -> 2"]);
  });
});

describe("the removal of an object on a forgotten host", () => {
  const h = { address: "192.0.2.1", user: "root", hostKey: "ssh-ed25519 AAAA", forget: true };
  const pool = new HostPool(configSchema.parse({ hosts: { h }, agent: false }));
  const refused = (): Promise<never> => Promise.reject(new Error("the host was contacted"));

  test("removes what other machines have of it", async () => {
    const said: string[] = [];
    const forgotten: Inputs[] = [];
    const forget: NonNullable<typeof thing.forget> = (_context, wanted) => {
      forgotten.push(wanted);
      return Promise.resolve();
    };
    const log = { info: (_urn: string, text: string) => said.push(text) };
    const context = { ...contextOf("a::b::c::thing", log), pool };
    await bind({ ...thing, remove: refused, forget }).remove(context, old, state);
    expect(forgotten).toEqual([old]);
    expect(said).toEqual([expect.stringContaining("h: Thing thing left the state")]);
  });

  test("fails if that fails, so that the next run does it", async () => {
    const forget = (): Promise<void> => Promise.reject(new Error("the cluster does not answer"));
    const removing = bind({ ...thing, forget }).remove({ ...contextOf("u"), pool }, old, state);
    await expect(removing).rejects.toThrow("the cluster does not answer");
  });
});
