/**
 * Random sequences of commands on one VM of the real lab: up, refresh, destroy, a killed provider,
 * a lost connection, drift. No data is lost, the VM and its volume have one owner, the state is
 * correct, and the second `up` is empty. tests/scripts runs many more sequences in a sandbox.
 */
import * as fc from "fast-check";
import { z } from "zod";
import { Gate, PROVIDER, cutLinks, gone, processesBelow, startUp } from "./kill";
import { SiteCopy, expectNoChanges, on, pulumi, state, up, STACK, STACK_NAME } from "./lab";
import { SOAK } from "../selection";

const ROWS = SOAK ? 4 : 1;
const MOST_COMMANDS = SOAK ? 12 : 6;
const TIMEOUT_MS = SOAK ? 3_600_000 : 1_200_000;

const DIRECTORY = "/var/lib/microvms/kw8";
const WRITTEN = "/var/lib/data/written";
const site = new SiteCopy();
const gate = new Gate("hv2");

/** The site's values of the VM. Sizes only grow. */
interface Vm {
  there: boolean;
  running: boolean;
  memory: "192MiB" | "208MiB";
  restart: string;
}
const changes = fc.record({
  there: fc.boolean(),
  running: fc.boolean(),
  memory: fc.constantFrom("192MiB" as const, "208MiB" as const),
  restart: fc.constantFrom("", "1"),
});

class World {
  private vm: Vm = { there: true, running: true, memory: "192MiB", restart: "" };
  private sizeMiB = 64;

  async start(): Promise<void> {
    await this.say(this.vm);
    await up();
    await on("kw8", `echo precious > ${WRITTEN}; sync`);
  }

  async say(vm: Vm): Promise<void> {
    this.vm = vm;
    const { there, ...rest } = vm;
    const stated = {
      ...rest,
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.38",
      mac: "02:00:00:00:00:38",
      volumes: { var: { size: `${this.sizeMiB}MiB`, mountPoint: "/var/lib/data" } },
    };
    await site.set(there ? { "vms.kw8": stated } : {});
  }

  /** Grows the volume while its VM is stopped, because the VM is not QEMU. */
  async grow(): Promise<void> {
    await this.say({ ...this.vm, there: true, running: false });
    await up();
    this.sizeMiB += 16;
    await this.say(this.vm);
    await up();
  }

  /** Disturbs a run at one of its mutations. The run may end before that mutation. */
  async disturbed(vm: Vm, step: number, disturb: Disturbance): Promise<void> {
    await this.say(vm);
    await gate.stopAt(step);
    const running = startUp();
    const plugins = (await gate.reached(running)) ? processesBelow(running.pid, PROVIDER) : [];
    if (plugins.length > 0) await disturb(plugins);
    await gate.open();
    await running.ended;
    await gone(plugins);
  }

  /**
   * The state is correct after each command. The next `up` converges, and nothing is left to do.
   */
  async check(): Promise<void> {
    await quietly("refresh", "--skip-preview");
    await expectTrueState();
    await up();
    await expectNoChanges();
    const { there, running } = this.vm;
    expect(await expectTrueState()).toMatchObject({
      owner: there ? STACK_NAME : "",
      running: there && running,
      imageBytes: this.sizeMiB * 1024 * 1024,
      ...(there ? {} : { runner: "", booted: "" }),
    });
    if (there && running) expect(await on("kw8", `cat ${WRITTEN}`)).toBe("precious");
  }

  async end(): Promise<void> {
    await this.say({ ...this.vm, there: true, running: true });
    await this.check();
  }
}
type Disturbance = (plugins: readonly number[]) => Promise<unknown>;

const killProvider: Disturbance = (plugins) => {
  for (const pid of plugins) process.kill(pid, "SIGKILL");
  return Promise.resolve();
};

const found = z.object({
  owner: z.string(),
  running: z.boolean(),
  runner: z.string(),
  booted: z.string(),
  imageBytes: z.number(),
});
type Found = z.infer<typeof found>;

/** Reads the real state from the files and units of the host. */
async function look(): Promise<Found> {
  const [record = "", active = "", runner = "", booted = "", bytes = ""] = (
    await on(
      "hv2",
      [
        "cat /var/lib/pulumi-microvm/vms/kw8.json 2>/dev/null || echo",
        "systemctl is-active microvm@kw8 || true",
        `readlink ${DIRECTORY}/current || echo`,
        `readlink ${DIRECTORY}/booted || echo`,
        `stat -c %s ${DIRECTORY}/var.img 2>/dev/null || echo 0`,
      ].join("; "),
    )
  ).split("\n");
  return found.parse({
    owner: /"urn":"urn:pulumi:([^:]*)::/.exec(record)?.[1] ?? "",
    running: active === "active",
    runner,
    booted,
    imageBytes: Number(bytes),
  });
}

async function expectTrueState(): Promise<Found> {
  const host = await look();
  const resource = (await state()).get("MicroVm kw8");
  if (resource !== undefined) {
    const { running, runner, booted } = host;
    expect(resource.outputs).toMatchObject({ running, runner, booted });
  }
  return host;
}

/** Manual changes on the host. Each one does nothing if its object does not exist. */
const DRIFTS: Readonly<Record<string, string>> = {
  "stopped by hand": "systemctl stop microvm@kw8",
  "runner's link changed":
    `cd ${DIRECTORY} 2>/dev/null || exit 0; ` + "[ ! -L current ] || ln -sfn /nix/store current",
  "record edited":
    "cd /var/lib/pulumi-microvm/vms && " +
    'sed -i \'s/"running":[a-z]*/"running":null/\' kw8.json 2>/dev/null || true',
  "GC roots dropped": "rm -f /nix/var/nix/gcroots/pulumi-microvm/kw8/*",
};

class Command implements fc.AsyncCommand<object, World> {
  constructor(
    private readonly text: string,
    private readonly act: (world: World) => Promise<void>,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_: object, world: World): Promise<void> {
    await this.act(world);
    await world.check();
  }

  toString(): string {
    return this.text;
  }
}

async function quietly(...words: string[]): Promise<void> {
  const { code, text } = await pulumi(...words, "--yes", STACK);
  if (code !== 0) throw new Error(text);
}

const steps = fc.integer({ min: 1, max: 7 });
const disturbed = (name: string, how: Disturbance): fc.Arbitrary<Command> =>
  fc
    .tuple(changes, steps)
    .map(
      ([vm, step]) =>
        new Command(`${name} at step ${step} of up ${JSON.stringify(vm)}`, (world) =>
          world.disturbed(vm, step, how),
        ),
    );

const commands = [
  changes.map((vm) => new Command(`up ${JSON.stringify(vm)}`, (world) => world.say(vm))),
  fc.constant(new Command("the volume grows", (world) => world.grow())),
  fc.constant(new Command("refresh", () => quietly("refresh", "--skip-preview"))),
  fc.constant(new Command("destroy", () => quietly("destroy", "--skip-preview"))),
  disturbed("provider killed", killProvider),
  disturbed("links cut", () => cutLinks("hv2")),
  fc
    .constantFrom(...Object.entries(DRIFTS))
    .map(
      ([name, script]) =>
        new Command(`drift: ${name}`, () => on("hv2", script).then(() => undefined)),
    ),
];

beforeAll(async () => {
  await site.converge();
  await gate.install();
});
afterAll(async () => {
  await gate.remove();
  await site.reset();
  await up();
  await on("hv2", `rm -rf ${DIRECTORY} /var/lib/pulumi-microvm/volumes/kw8.var.json`);
  await expectNoChanges();
  await site.release();
});

test(
  "any sequence of commands",
  async () => {
    const world = new World();
    await world.start();
    await fc.assert(
      fc.asyncProperty(
        fc.commands(commands, { maxCommands: MOST_COMMANDS, size: "max" }),
        async (row) => {
          await fc.asyncModelRun(() => ({ model: {}, real: world }), row);
          await world.end();
        },
      ),
      // Each sequence continues from the previous one, so a failed sequence cannot be shrunk.
      // Each run has the same sequences, unless MODEL_SEED is set. A soak run sets it.
      {
        seed: Number(process.env["MODEL_SEED"] ?? 20261125),
        numRuns: ROWS,
        endOnFailure: true,
        verbose: true,
      },
    );
  },
  TIMEOUT_MS,
);
