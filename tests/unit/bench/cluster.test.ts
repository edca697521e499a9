/** The benchmark of a cluster: its site, the longest path of an `up`, and the figures. */
import { parse } from "yaml";
import { clusterFiguresOf, clusterTable } from "../../../bench/cluster/figures";
import { pathOf, sum } from "../../../bench/cluster/path";
import type { MemberTimes } from "../../../bench/cluster/path";
import { parseOptions } from "../../../bench/options";
import { clusterSite } from "../../../bench/site";
import { parseSite } from "../../../site/load";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVddpft3uvfFTe1YbhbebgnsAlax57h0p0jKK4+1kZ/";
const place = {
  hosts: ["hv1", "hv2"].map((name, index) => {
    return { name, address: `198.18.0.1${index + 1}`, hostKey: key };
  }),
  flake: "path:/flake",
  operatorKey: key,
};

test("the command line has a cluster of 100 nodes", () => {
  expect(parseOptions(["--only", "cluster"])).toMatchObject({ only: "cluster", sizes: [100] });
});

test("the site is valid, with each address on the network that the lab routes", () => {
  const text = clusterSite({ controllers: 3, workers: 150 }, place);
  const { vms, cluster } = parseSite(text, "/site.yaml");
  expect(cluster?.name).toBe("bench");
  expect(vms).toHaveLength(153);
  expect(new Set(vms.map(({ ip }) => ip)).size).toBe(153);
  expect(vms.every(({ ip }) => /^198\.18\.0\.\d+$/.test(ip))).toBe(true);
  const roles = vms.map(({ name, role }) => `${name} ${role}`).sort();
  expect(roles.slice(0, 4)).toEqual([
    "c1 controller",
    "c2 controller",
    "c3 controller",
    "w001 worker",
  ]);
  expect(parse(text)).toMatchObject({ ssh: { operatorKeys: [key] } });
});

const controller = (name: string, k0sStarts: number, more: Partial<MemberTimes> = {}) => ({
  name,
  isController: true,
  vmStarts: 3,
  answers: 5,
  k0sStarts,
  apiReady: k0sStarts + 4,
  joined: k0sStarts + 5,
  ...more,
});
const worker = (name: string, joined: number): MemberTimes => ({
  name,
  isController: false,
  vmStarts: 3,
  answers: 5,
  k0sStarts: 19,
  apiReady: undefined,
  joined,
});

test("the longest path has the slowest VM, each controller in turn, and the last worker", () => {
  // The order in which k0s has started counts, not that of the names.
  const members = [
    worker("w1", 21),
    controller("c2", 13),
    controller("c1", 7, { answers: 6 }),
    worker("w2", 22),
  ];
  const { waits, between } = pathOf(members, 0, 24);
  expect(waits).toEqual([
    { what: "VM of c1", seconds: 3 },
    { what: "k0s of c1 until its API answers", seconds: 4 },
    { what: "c1 until it votes", seconds: 1 },
    { what: "k0s of c2 until its API answers", seconds: 4 },
    { what: "c2 until it votes", seconds: 1 },
    { what: "k0s of w2 until its node is Ready", seconds: 3 },
  ]);
  expect(between).toEqual([
    { what: "before the VM of c1", seconds: 3 },
    { what: "before k0s of c1", seconds: 1 },
    { what: "before k0s of c2", seconds: 1 },
    { what: "before k0s of w2", seconds: 1 },
    { what: "after the last node is Ready", seconds: 2 },
  ]);
  // Nothing is counted twice, and nothing is left out.
  expect(sum(waits) + sum(between)).toBe(24);
});

test("the figures are medians, and ratios of medians", () => {
  const round = (ours: number, criticalPath: number) => ({
    ours,
    criticalPath,
    waits: [{ what: "VM of c1", seconds: 1.234 }],
    between: [{ what: "after", seconds: ours }],
  });
  const figures = clusterFiguresOf({
    ups: [round(30, 20), round(24, 20), round(26, 22)],
    nodes: new Map([[100, { ours: [5, 7, 6], floor: [4, 4, 5], floorWithInputs: [6, 6, 6] }]]),
  });
  expect(figures).toEqual({
    cluster: { oursSeconds: 26, criticalPathSeconds: 20, ratio: 1.3 },
    noop100: { oursSeconds: 6, floorSeconds: 4, floorWithInputsSeconds: 6, ratioToFloor: 1.5 },
    path: {
      waits: [{ what: "VM of c1", seconds: 1.23 }],
      between: [{ what: "after", seconds: 26 }],
    },
  });
  expect(clusterTable(figures)).toContain("noop100     6.00     4.00     6.00     1.50");
});
