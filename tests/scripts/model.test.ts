/**
 * Any row of up, refresh, destroy, crash, lost link and drift, with the real resources over SSH against the real
 * scripts in a sandbox. No data is lost, an object has one owner, the second `up` is empty, the state is true.
 */
import * as fs from "node:fs";
import * as fc from "fast-check";
import { Secret } from "../../provider/wire";
import { MACHINE_ID, keyPair } from "../grpc/scriptedHost";
import { Sandbox } from "./sandbox";
import { startSandboxHost } from "./sandboxHost";
import type { SandboxHost } from "./sandboxHost";
import { Stack } from "./stack";
import type { Program } from "./stack";

const TIME_LIMIT_MS = 45_000;
jest.setTimeout(TIME_LIMIT_MS * 4);

/** What a site says; sizes in MiB, 0 where there is no such volume. */
interface Site {
  vm: boolean;
  running: boolean;
  runner: "a" | "b";
  restart: string;
  sizes: Record<Kept, number>;
}
type Kept = "retain" | "trash" | "delete";
const KEPT: readonly Kept[] = ["retain", "trash", "delete"];

const EMPTY: Site = {
  vm: false,
  running: false,
  runner: "a",
  restart: "",
  sizes: { retain: 0, trash: 0, delete: 0 },
};
const storePath = (name: string): string => `/nix/store/${"0".repeat(32)}-${name}`;
const image = (kept: Kept): string => `/var/lib/microvms/kc1/${kept}.img`;

function programOf({ vm, running, runner, restart, sizes }: Site): Program {
  const common = { host: "hv1", machineId: MACHINE_ID };
  const program: Program = {};
  for (const kept of KEPT.filter((one) => sizes[one] > 0)) {
    const volume = { ...common, vm: "kc1", name: kept, image: image(kept), label: kept };
    program[`Volume ${kept}`] = { ...volume, sizeMiB: sizes[kept], onDelete: kept };
  }
  if (!vm) return program;
  const state = { runner: storePath(runner), toplevel: storePath("system"), running, restart };
  return { ...program, "MicroVm kc1": { ...common, name: "kc1", ...state } };
}

/** The world: a host, the stack under test, and another one that wants the same things. */
class World {
  readonly box = new Sandbox();
  readonly lab = new Stack("lab", () => this.config());
  readonly prod = new Stack("prod", () => this.config());
  site = EMPTY;
  /** Image on the host -> what was written to it. */
  readonly data = new Map<string, string>();
  private host!: SandboxHost;
  private readonly operator = keyPair();
  private written = 0;

  async start(): Promise<void> {
    this.host = await startSandboxHost(this.box, this.operator.publicKey);
    for (const name of ["a", "b", "c", "system"]) this.box.addToStore(storePath(name));
    await this.up({ ...EMPTY, vm: true, running: true, sizes: { retain: 1, trash: 1, delete: 1 } });
    this.write();
  }

  async stop(): Promise<void> {
    await this.host.ssh.stop();
    this.box.remove();
  }

  /** What becomes of the next operation. */
  disturb(how: Partial<Pick<SandboxHost, "killAt" | "cut">>): void {
    Object.assign(this.host, how);
  }

  calm(): void {
    this.disturb({ killAt: 0, cut: "never" });
  }

  /** Guests write: each image that is there has data from now on. */
  write(): void {
    for (const kept of KEPT) {
      const path = this.box.moved(image(kept));
      if (!fs.existsSync(path) || this.data.has(path)) continue;
      const text = `data ${(this.written += 1)}`;
      const file = fs.openSync(path, "r+");
      fs.writeSync(file, text, 4096);
      fs.closeSync(file);
      this.data.set(path, text);
    }
  }

  /** A volume that was removed on purpose: to the trash, or for good. */
  forgetRemoved(): void {
    for (const kept of ["trash", "delete"] as const) {
      const path = this.box.moved(image(kept));
      if (this.lab.state.has(`Volume ${kept}`) || this.site.sizes[kept] > 0) continue;
      const text = this.data.get(path);
      if (kept === "trash" && text !== undefined && !fs.existsSync(path)) {
        expect(this.trashed()).toContain(text);
      }
      if (!fs.existsSync(path)) this.data.delete(path);
    }
  }

  private trashed(): string[] {
    const trash = this.box.path("state", "trash");
    const names = fs.existsSync(trash) ? fs.readdirSync(trash) : [];
    return names.filter((name) => name.endsWith(".img")).map((name) => readAt(`${trash}/${name}`));
  }

  async check(): Promise<void> {
    this.forgetRemoved();
    for (const [path, text] of this.data)
      expect({ path, text: readAt(path) }).toEqual({ path, text });
    this.write();
    await this.lab.refresh();
    for (const kept of KEPT) this.checkVolume(kept);
    this.checkVm();
  }

  private checkVolume(kept: Kept): void {
    const outputs = this.lab.state.get(`Volume ${kept}`)?.outputs;
    if (outputs === undefined) return;
    const path = this.box.moved(image(kept));
    const size = fs.existsSync(path) ? fs.statSync(path).size / 1024 / 1024 : 0;
    expect(outputs).toMatchObject({ sizeMiB: size });
  }

  private checkVm(): void {
    const outputs = this.lab.state.get("MicroVm kc1")?.outputs;
    if (outputs === undefined) return;
    expect(outputs).toMatchObject({
      running: fs.existsSync(this.unit),
      autostart: fs.existsSync(this.box.path("state", "autostart", "kc1")),
      runner: this.linked("current"),
      booted: this.linked("booted"),
    });
  }

  private get unit(): string {
    return this.box.path("units", "microvm@kc1.service");
  }

  private linked(name: string): string {
    const path = this.box.path("microvms", "kc1", name);
    const there = fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
    return there ? this.box.movedBack(fs.readlinkSync(path)) : "";
  }

  /** What a volume has at least: on the host, or by the state. */
  sizeOf(kept: Kept): number {
    const path = this.box.moved(image(kept));
    const stated = this.lab.state.get(`Volume ${kept}`)?.inputs["sizeMiB"];
    const there = fs.existsSync(path) ? fs.statSync(path).size / 1024 / 1024 : 0;
    return Math.max(there, typeof stated === "number" ? stated : 0);
  }

  /** A volume changes or goes while no VM has it: the VM is stopped before. */
  async up(site: Site): Promise<void> {
    this.site = site;
    if (KEPT.some((kept) => ![0, site.sizes[kept]].includes(this.sizeOf(kept)))) {
      this.stopVm();
      await this.lab.up(programOf({ ...site, running: false }));
    }
    await this.lab.up(programOf(site));
  }

  stopVm(): void {
    fs.rmSync(this.unit, { force: true });
    fs.rmSync(this.box.path("microvms", "kc1", "booted"), { force: true });
  }

  /** The next `up` would change nothing, and so does looking. */
  async expectConverged(): Promise<void> {
    const before = { contents: this.box.contents(), journal: this.box.journal() };
    expect(await this.lab.preview(programOf(this.site))).toEqual([]);
    expect({ contents: this.box.contents(), journal: this.box.journal() }).toEqual(before);
  }

  private config() {
    const { port, hostKey } = this.host.ssh;
    const hv1 = { address: "127.0.0.1", port, user: "root", hostKey };
    const privateKey = new Secret(this.operator.privateKey);
    return { hosts: JSON.stringify({ hv1 }), agent: "false", privateKey };
  }
}

function readAt(path: string): string {
  if (!fs.existsSync(path)) return "gone";
  const content = fs.readFileSync(path).subarray(4096, 4196).toString();
  return content.slice(0, content.indexOf("\0"));
}

type Act = (world: World) => Promise<void>;

/** After each command the host's data and the state are looked at. */
class Command implements fc.AsyncCommand<object, World> {
  constructor(
    private readonly text: string,
    private readonly act: Act,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_: object, world: World): Promise<void> {
    await this.act(world);
    world.calm();
    await world.check();
  }

  toString(): string {
    return this.text;
  }
}

const size = fc.constantFrom(0, 1, 2);
const change = fc.record({
  site: fc.record({
    vm: fc.boolean(),
    running: fc.boolean(),
    runner: fc.constantFrom("a" as const, "b" as const),
    restart: fc.constantFrom("", "1"),
  }),
  sizes: fc.record({ retain: fc.constantFrom(1, 2), trash: size, delete: size }),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Sizes grow, or the volume goes: what shrinks is refused before anything is asked of the host. */
function changed(world: World, { site, sizes }: Change): Site {
  const grown = (kept: Kept): number =>
    sizes[kept] === 0 ? 0 : Math.max(world.sizeOf(kept), sizes[kept]);
  return {
    ...site,
    sizes: { retain: grown("retain"), trash: grown("trash"), delete: grown("delete") },
  };
}

const DRIFTS: Record<string, (world: World) => void> = {
  "the VM is stopped": (world) => world.stopVm(),
  "another runner is installed": ({ box }) => {
    const link = box.path("microvms/kc1/current");
    if (!fs.lstatSync(link, { throwIfNoEntry: false })) return;
    fs.rmSync(link);
    fs.symlinkSync(box.moved(storePath("c")), link);
  },
  "the VM is not started at boot": ({ box }) =>
    fs.rmSync(box.path("state/autostart/kc1"), { force: true }),
  "the VM's record is altered": ({ box }) => {
    const record = box.path("state/vms/kc1.json");
    if (!fs.existsSync(record)) return;
    fs.writeFileSync(record, fs.readFileSync(record, "utf8").replace('"running":', '"running" :'));
  },
  "a volume's record is gone": ({ box, lab }) => {
    // Without our state nobody could know whose the image is, and it would be refused.
    if (lab.state.has("Volume retain"))
      fs.rmSync(box.path("state/volumes/kc1.retain.json"), { force: true });
  },
};

const commands = [
  change.map(
    (to) =>
      new Command(`up ${JSON.stringify(to)}`, async (world) => {
        await world.up(changed(world, to));
        world.write();
        await world.expectConverged();
      }),
  ),
  fc.tuple(change, fc.nat(60)).map(
    ([to, at]) =>
      new Command(`crash before command ${at + 1} of up ${JSON.stringify(to)}`, async (world) => {
        world.disturb({ killAt: at + 1 });
        await world.up(changed(world, to)).catch(() => undefined);
      }),
  ),
  fc.tuple(change, fc.constantFrom("before" as const, "behind" as const)).map(
    ([to, cut]) =>
      new Command(
        `link lost ${cut} the first operation of up ${JSON.stringify(to)}`,
        async (world) => {
          world.disturb({ cut });
          await world.up(changed(world, to));
          await world.expectConverged();
        },
      ),
  ),
  change.map(
    (to) =>
      new Command(
        `provider killed after the first change of up ${JSON.stringify(to)}`,
        async (world) => {
          world.site = changed(world, to);
          await world.lab.up(programOf(world.site), { forget: true }).catch(() => undefined);
        },
      ),
  ),
  fc.constant(new Command("refresh", (world) => world.lab.refresh())),
  fc.constant(
    new Command("destroy", async (world) => {
      world.site = { ...world.site, vm: false, sizes: EMPTY.sizes };
      await world.lab.destroy();
      await world.expectConverged();
    }),
  ),
  fc.constantFrom(...Object.keys(DRIFTS)).map(
    (name) =>
      new Command(`drift: ${name}`, (world) => {
        DRIFTS[name]?.(world);
        return Promise.resolve();
      }),
  ),
  fc.constant(
    new Command("another stack wants the same", async (world) => {
      if (world.lab.state.size === 0) return;
      const before = world.box.contents();
      const theirs = Object.entries(programOf(world.site)).filter(([key]) =>
        world.lab.state.has(key),
      );
      for (const [key, inputs] of theirs) {
        await expect(world.prod.up({ [key]: inputs })).rejects.toThrow(
          /belongs to urn:pulumi:lab::|no stack recorded|names no owner/,
        );
      }
      expect(world.box.contents()).toEqual(before);
    }),
  ),
];

test("any row of commands", async () => {
  await fc.assert(
    // Else most rows are short, and what one command leaves is seldom there for another.
    fc.asyncProperty(fc.commands(commands, { maxCommands: 12, size: "max" }), async (row) => {
      const world = new World();
      await world.start();
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: world }), row);
        // Whatever came before, the next `up` converges.
        await world.up(world.site);
        world.write();
        await world.expectConverged();
        await world.check();
      } finally {
        await world.stop();
      }
    }),
    {
      numRuns: 30,
      interruptAfterTimeLimit: TIME_LIMIT_MS,
      endOnFailure: true,
      verbose: true,
    },
  );
});
