import { parse } from "yaml";
import { z } from "zod";
import { emptyRounds, figuresOf, median, table } from "../../../bench/figures";
import { MOST_VMS, parseOptions } from "../../../bench/options";
import { benchSite } from "../../../bench/site";

describe("the command line", () => {
  test("has the documented defaults", () => {
    expect(parseOptions([])).toEqual({ sizes: [3, 30, 100], rounds: 3, json: false });
  });

  test("takes sizes in any order, each once", () => {
    expect(parseOptions(["--sizes", "30,3,30", "--rounds=1", "--json"])).toEqual({
      sizes: [3, 30],
      rounds: 1,
      json: true,
    });
  });

  test.each([["--sizes=0"], ["--sizes=3,"], [`--sizes=${MOST_VMS + 1}`], ["--rounds=x"]])(
    "refuses %s",
    (word) => expect(() => parseOptions([word])).toThrow(/is not a number from 1 to/),
  );
});

test("a median is the middle, or between the two in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

test("figures are medians, and ratios are of medians", () => {
  const rounds = {
    ...emptyRounds(),
    ours: [5, 4, 6],
    floor: [4, 4, 9],
    oursPreview: [3],
    floorPreview: [4],
    ansible: [100, 90, 110],
    ansibleBatched: [20],
    evaluation: [1],
  };
  const figures = figuresOf(new Map([[30, rounds]]));
  expect(figures.noop).toEqual({
    "30": {
      oursSeconds: 5,
      floorSeconds: 4,
      ansibleSeconds: 100,
      ratioToFloor: 1.25,
      timesAnsible: 20,
    },
  });
  expect(figures.preview["30"]).toMatchObject({ ratioToFloor: 0.75, timesAnsible: 33.33 });
  expect(table(figures)).toMatch(/30\s+up\s+5\.00\s+4\.00\s+1\.25\s+100\.00\s+20\.00/);
});

test("the site has as many stopped VMs as asked for, in turns on the hosts, each with its own address", () => {
  const hosts = ["hv1", "hv2"].map((name, index) => ({
    name,
    address: `198.18.0.1${index}`,
    prefixLength: 24,
    hostKey: "ssh-ed25519 AAAA",
  }));
  const vm = z.object({
    hypervisor: z.string(),
    ip: z.string(),
    mac: z.string(),
    running: z.literal(false),
  });
  const { vms } = z
    .object({ vms: z.record(z.string(), vm) })
    .parse(parse(benchSite(MOST_VMS, hosts, "path:/flake")));
  const all = Object.values(vms);
  expect(all).toHaveLength(MOST_VMS);
  expect(all.filter(({ hypervisor }) => hypervisor === "hv2")).toHaveLength(MOST_VMS / 2);
  expect(new Set(all.map(({ ip }) => ip)).size).toBe(MOST_VMS);
  expect(new Set(all.map(({ mac }) => mac)).size).toBe(MOST_VMS);
  expect(all.every(({ ip }) => Number(ip.split(".")[3]) < 255)).toBe(true);
});
