import { parse } from "yaml";
import { z } from "zod";
import {
  emptyRounds,
  figuresOf,
  median,
  startFiguresOf,
  startTable,
  table,
} from "../../../bench/figures";
import { MOST_VMS, MOST_VMS_PER_HOST, parseOptions } from "../../../bench/options";
import { benchSite } from "../../../bench/site";

describe("the command line", () => {
  test("has the documented defaults", () => {
    const common = { rounds: 3, json: false };
    expect(parseOptions([])).toEqual({ only: "noop", sizes: [3, 30, 100], ...common });
    expect(parseOptions(["--only", "starts"])).toEqual({ only: "starts", sizes: [20], ...common });
  });

  test("accepts sizes in any order and ignores repetitions", () => {
    expect(parseOptions(["--sizes", "30,300,3,30", "--rounds=1", "--json"])).toEqual({
      only: "noop",
      sizes: [3, 30, 300],
      rounds: 1,
      json: true,
    });
  });

  test.each([["--sizes=0"], ["--sizes=3,"], [`--sizes=${MOST_VMS + 1}`], ["--rounds=x"]])(
    "refuses %s",
    (word) => expect(() => parseOptions([word])).toThrow(/is not a number from 1 to/),
  );

  test("refuses unknown subjects and more starts than a host has memory for", () => {
    const tooMany = ["--only=starts", `--sizes=${MOST_VMS_PER_HOST + 1}`];
    expect(() => parseOptions(tooMany)).toThrow(/is not a number from 1 to 150/);
    expect(() => parseOptions(["--only=stops"])).toThrow(/is not noop, starts or cluster/);
  });
});

test("a median is the middle figure, or the mean of the two middle figures", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

test("figures are medians, and ratios are of medians", () => {
  const rounds = {
    ...emptyRounds(),
    ours: [5, 4, 6],
    floor: [4, 4, 9],
    floorWithInputs: [8, 10, 9],
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
  expect(figures.floorWithInputsSeconds).toEqual({ "30": 9 });
  expect(figures.preview["30"]).toMatchObject({ ratioToFloor: 0.75, timesAnsible: 33.33 });
  expect(table(figures)).toMatch(/30\s+up\s+5\.00\s+4\.00\s+1\.25\s+100\.00\s+20\.00/);
});

test("figures of starts contain medians and the ratio of medians", () => {
  const figures = startFiguresOf(new Map([[20, { one: [9, 8, 7], all: [40, 30, 34] }]]));
  expect(figures).toEqual({
    starts: { "20": { oneSeconds: 8, allSeconds: 34, ratioToOne: 4.25 } },
  });
  expect(startTable(figures)).toMatch(/^ +VMs +one +all +ratio\n +20 +8\.00 +34\.00 +4\.25\n$/);
});

test("the site has the requested number of stopped VMs, alternating between the hosts", () => {
  const hosts = ["hv1", "hv2"].map((name, index) => ({
    name,
    address: `198.18.0.1${index}`,
    hostKey: "ssh-ed25519 AAAA",
  }));
  const all = vmsOf(benchSite(MOST_VMS, hosts, "path:/flake"));
  expect(all).toHaveLength(MOST_VMS);
  expect(all.filter(({ hypervisor }) => hypervisor === "hv2")).toHaveLength(MOST_VMS / 2);
  expect(new Set(all.map(({ ip }) => ip)).size).toBe(MOST_VMS);
  expect(new Set(all.map(({ mac }) => mac)).size).toBe(MOST_VMS);
  expect(all.every(({ ip }) => /^198\.18\.[01]\.\d+$/.test(ip))).toBe(true);
  expect(all.some(({ running }) => running)).toBe(false);
});

test("the site runs the requested number of VMs, from the first on", () => {
  const host = { name: "hv1", address: "198.18.0.11", hostKey: "ssh-ed25519 AAAA" };
  const all = vmsOf(benchSite(5, [host], "path:/flake", 2));
  expect(all.map(({ running }) => running)).toEqual([true, true, false, false, false]);
});

const vmSchema = z.object({
  hypervisor: z.string(),
  ip: z.string(),
  mac: z.string(),
  running: z.boolean(),
});

function vmsOf(site: string): z.infer<typeof vmSchema>[] {
  const schema = z.object({ vms: z.record(z.string(), vmSchema) });
  return Object.values(schema.parse(parse(site)).vms);
}
