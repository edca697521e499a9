/**
 * Random sequences of up, refresh, destroy, crash, lost link and drift, with the real resources
 * over SSH and the real scripts in a sandbox. No data is lost, an object has one owner, the second
 * `up` is empty, and the state is true.
 */
import * as fs from "node:fs";
import * as fc from "fast-check";
import { storePath } from "./operations";
import { World, programOf } from "./world";
import type { Kept, Site } from "./world";
import { SELECTION, SOAK, sampled } from "../selection";

/**
 * A number, not a time: a time limit of fast-check ends the test during a sequence, while the host
 * and its processes continue, and jest cannot exit.
 */
const ROWS = SOAK ? 200 : 5;
const MOST_COMMANDS = SOAK ? 24 : 12;
jest.setTimeout(SOAK ? 7_200_000 : 600_000);

type Act = (world: World) => Promise<void>;

/** Checks the data on the host and the state after each command. */
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

/**
 * Sizes grow, or the volume leaves the site. A smaller size is refused before the host is
 * contacted.
 */
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
    // Without our state, the owner of the image would be unknown and the image refused.
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
  fc.tuple(change, fc.nat(4), fc.nat(60)).map(
    ([to, pass, at]) =>
      new Command(
        `crash before command ${at + 1} of operation ${pass + 1} of up ${JSON.stringify(to)}`,
        async (world) => {
          world.disturb({ pass, killAt: at + 1 });
          await world.up(changed(world, to)).catch(() => undefined);
        },
      ),
  ),
  fc.tuple(change, fc.nat(4), fc.constantFrom("before" as const, "behind" as const)).map(
    ([to, pass, cut]) =>
      new Command(
        `link lost ${cut} operation ${pass + 1} of up ${JSON.stringify(to)}`,
        async (world) => {
          world.disturb({ pass, cut });
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
      await world.destroy();
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
    new Command("another stack wants the same objects", async (world) => {
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

test.each(sampled("drifts", ["without drift", ...Object.keys(DRIFTS)], 4))(
  `a destroy and another up: %s (${SELECTION})`,
  async (name) => {
    const world = new World();
    await world.start();
    try {
      const { site } = world;
      DRIFTS[name]?.(world);
      await world.destroy();
      await world.expectConverged();
      await world.check();
      await world.up(site);
      await world.check();
    } finally {
      await world.stop();
    }
  },
);

test.each(sampled("lost answers", [0, 1, 2], 1))(
  "operation %i does not run again if its answer is lost",
  async (pass) => {
    const world = new World();
    await world.start();
    try {
      world.disturb({ pass, cut: "behind" });
      await world.up({ ...world.site, running: false, sizes: { retain: 2, trash: 2, delete: 2 } });
      await world.expectConverged();
      await world.check();
    } finally {
      await world.stop();
    }
  },
);

test("any sequence of commands", async () => {
  await fc.assert(
    // Without `max`, most sequences are short and commands rarely affect each other.
    fc.asyncProperty(fc.commands(commands, { maxCommands: MOST_COMMANDS, size: "max" }), runRow),
    {
      // Each run has the same sequences, unless MODEL_SEED is set. A soak run sets it.
      seed: Number(process.env["MODEL_SEED"] ?? 20261125),
      numRuns: ROWS,
      endOnFailure: true,
      verbose: true,
    },
  );
});

async function runRow(row: Iterable<fc.AsyncCommand<object, World>>): Promise<void> {
  const world = new World();
  await world.start();
  try {
    await fc.asyncModelRun(() => ({ model: {}, real: world }), row);
    // The next `up` converges after any sequence.
    await world.up(world.site);
    world.write();
    await world.expectConverged();
    await world.check();
  } finally {
    await world.stop();
  }
}
