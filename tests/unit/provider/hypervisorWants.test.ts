/** The wants of several stacks on a host: capacity, conflicts, and the record. */
import type { HostFacts, ImageFact } from "../../../provider/hosts/facts/hostFacts";
import { makeRecord } from "../../../provider/ownership";
import {
  diskShortages,
  fileSystemOf,
  memoryShortage,
} from "../../../provider/resources/hosts/hypervisorCapacity";
import {
  claimsDigest,
  otherStacks,
  sharedName,
  sharedRecord,
  states,
} from "../../../provider/resources/hosts/hostRecords";
import {
  conflicts,
  describeStack,
  vmWants,
} from "../../../provider/resources/hosts/hypervisorWants";
import type { StackWants, VmWants } from "../../../provider/resources/hosts/hypervisorWants";
import { parseFacts } from "../../../provider/hosts/facts/hostFacts";

const LAB = "urn:pulumi:lab::site::microvm:index:Hypervisor::hv1";
const PROD = "urn:pulumi:prod::site::microvm:index:Hypervisor::hv1";
const GIB = 1024;

const vm = (name: string, more: object = {}): VmWants =>
  vmWants.parse({ name, memoryMiB: GIB, ...more });
const disk = (image: string, sizeMiB: number): object => ({ volumes: [{ image, sizeMiB }] });
const prod = (...vms: VmWants[]): StackWants[] => [{ urn: PROD, vms }];

function facts(...lines: string[]): HostFacts {
  const always = ["machine-id\t0123456789abcdef0123456789abcdef", "hostname\thv1", "clock\t1"];
  return parseFacts("hv1", [...always, "memory-kib\t4194304", ...lines, "probed"], 1);
}

const fileSystem = (device: string, place: string, freeMiB: number): string =>
  `file-system\t${device}\t${place}\t${freeMiB * 1024}`;
const image = (path: string, allocatedMiB: number): string =>
  `image\t${path}\t${1024 ** 3}\t${allocatedMiB * 2048}`;
const record = (key: string, text: string): string => `record\t${key.replace("/", "\t")}\t${text}`;

describe("memory", () => {
  test("is sufficient up to the memory of the host", () => {
    const own = ["a", "b", "c", "d"].map((name) => vm(name));
    expect(memoryShortage(facts(), { own, others: [] })).toBeUndefined();
    expect(memoryShortage(facts(), { own: [...own, vm("e")], others: [] })).toBe(
      "the VMs want 5120 MiB of memory, the host has 4096 MiB",
    );
  });

  test("of other stacks is named with stack and VM", () => {
    const others = prod(vm("x", { memoryMiB: 2048 }), vm("y", { memoryMiB: 2048 }));
    expect(memoryShortage(facts(), { own: [vm("a")], others })).toBe(
      "the VMs want 5120 MiB of memory (1024 for this stack; " +
        "4096 for stack prod of project site: x 2048, y 2048), the host has 4096 MiB",
    );
  });

  test("that only other stacks require is not an error of this stack", () => {
    expect(
      memoryShortage(facts(), { own: [], others: prod(vm("x", { memoryMiB: 9e6 })) }),
    ).toBeUndefined();
  });
});

describe("the file system of a path", () => {
  const { fileSystems } = facts(
    fileSystem("/dev/a", "/", 1),
    fileSystem("/dev/b", "/var/lib", 1),
    fileSystem("/dev/c", "/var/lib/micro", 1),
    fileSystem("/dev/d", "/var/lib/microvms/kc1", 1),
    fileSystem("tmpfs", "/tmp", 1),
    fileSystem("/dev/e", "/tmp", 1),
  );

  test.each([
    ["/data/x.img", "/dev/a"],
    ["/var/lib/microvms/kc2/x.img", "/dev/b"],
    ["/var/lib/microvms/kc1/x.img", "/dev/d"],
    ["/var/lib/microvms/kc10/x.img", "/dev/b"],
    ["/tmp/x.img", "/dev/e"],
  ])("%s is %s", (path, device) => {
    expect(fileSystemOf(fileSystems, path)?.device).toBe(device);
  });

  test("is unknown without file systems", () => {
    expect(fileSystemOf([], "/x")).toBeUndefined();
  });
});

describe("disk", () => {
  const roots = [fileSystem("/dev/a", "/", 100), fileSystem("/dev/b", "/data", 1000)];
  const here = "/var/lib/microvms/kc1/a.img";

  test("is summed for each file system", () => {
    const both = { own: [vm("kc1", disk(here, 100)), vm("kc2", disk("/data/a.img", 1000))] };
    expect(diskShortages(facts(...roots), { ...both, others: [] })).toEqual([]);
    const more = { own: [vm("kc1", disk(here, 101)), vm("kc2", disk("/data/a.img", 1001))] };
    expect(diskShortages(facts(...roots), { ...more, others: [] })).toEqual([
      "the volumes want 101 MiB on the file system at /, which has room for 100 MiB",
      "the volumes want 1001 MiB on the file system at /data, which has room for 1000 MiB",
    ]);
  });

  test("that an image has allocated counts as available, on its own file system only", () => {
    const own = [vm("kc1", disk(here, 150))];
    expect(diskShortages(facts(...roots, image(here, 50)), { own, others: [] })).toEqual([]);
    expect(
      diskShortages(facts(...roots, image("/data/a.img", 50)), { own, others: [] }),
    ).toHaveLength(1);
  });

  test("of one device is counted once, wherever it is mounted", () => {
    const mounts = [...roots, fileSystem("/dev/b", "/var/lib/microvms", 1000)];
    const own = [vm("kc1", disk(here, 600)), vm("kc2", disk("/data/a.img", 600))];
    expect(diskShortages(facts(...mounts), { own, others: [] })).toHaveLength(1);
    const apart = mounts.map((line) => line.replace("/dev/b", "tmpfs"));
    expect(diskShortages(facts(...apart), { own, others: [] })).toEqual([]);
  });

  test("of other stacks is named, if it is on the same file system", () => {
    const own = [vm("kc1", disk("/data/a.img", 600))];
    const others = prod(vm("x", disk("/data/x.img", 600)), vm("y", disk(here, 5000)));
    expect(diskShortages(facts(...roots), { own, others })).toEqual([
      "the volumes want 1200 MiB on the file system at /data " +
        "(600 for this stack; 600 for stack prod of project site: x 600), " +
        "which has room for 1000 MiB",
    ]);
    const theirs: [string, ImageFact][] = [...facts(image("/data/x.img", 300)).images];
    const grown = { ...facts(...roots), images: new Map(theirs) };
    expect(diskShortages(grown, { own, others })).toEqual([]);
  });
});

test("VMs without addresses, MACs and vsock CIDs do not conflict", () => {
  expect(conflicts([vm("a"), vm("b")], prod(vm("c"), vm("d")))).toEqual([]);
});

test("each conflict is one line", () => {
  const more = { ip: "198.18.0.1", mac: "02:00:00:00:00:01", vsockCid: 3, ...disk("/a", 1) };
  expect(conflicts([vm("a", more)], prod(vm("a", more)))).toHaveLength(5);
});

test("a URN is shown as stack and project", () => {
  expect(describeStack(PROD)).toBe("stack prod of project site");
  expect(describeStack("nonsense")).toBe("nonsense");
});

describe("a shared claim", () => {
  const own = (text: string): string => record(`hosts/${sharedName(LAB)}`, text);
  const first = sharedRecord(facts(), LAB, [vm("kc2"), vm("kc1")]);

  test("does not depend on the order of the VMs in the site", () => {
    expect(sharedRecord(facts(), LAB, [vm("kc1"), vm("kc2")])).toBe(first);
    expect(states(facts(own(first)), LAB, [vm("kc1"), vm("kc2")])).toBe(true);
    expect(states(facts(own(first)), LAB, [vm("kc1")])).toBe(false);
  });

  test("of different stacks has different files", () => {
    expect(sharedName(LAB)).not.toBe(sharedName(PROD));
    expect(sharedName(LAB)).toBe(sharedName(LAB.replace("Hypervisor::hv1", "Hypervisor::hv2")));
  });

  test("keeps VMs that left the site until their records are gone", () => {
    const there = record("vms/kc2", makeRecord(LAB, {}));
    const second = sharedRecord(facts(own(first), there), LAB, [vm("kc1")]);
    const seen = (...lines: string[]): string[] =>
      otherStacks("hv1", facts(own(second), ...lines), PROD).flatMap(({ vms }) =>
        vms.map(({ name }) => name),
      );
    expect(seen(there)).toEqual(["kc1", "kc2"]);
    expect(seen()).toEqual(["kc1"]);
    expect(seen(record("vms/kc2", makeRecord(PROD, {})))).toEqual(["kc1"]);
    const third = sharedRecord(facts(own(second), there), LAB, [vm("kc2")]);
    expect(states(facts(own(third)), LAB, [vm("kc2")])).toBe(true);
    expect(third.match(/"kc2"/g)).toHaveLength(1);
  });

  test("that cannot be read is an error", () => {
    for (const text of ["{}", "{", makeRecord(PROD, { wants: [{ name: 1 }] })]) {
      expect(() => otherStacks("hv1", facts(record("hosts/shared-0", text)), LAB)).toThrow(
        "the claim of another stack cannot be read",
      );
    }
    expect(otherStacks("hv1", facts(record("hosts/host", "{")), LAB)).toEqual([]);
  });

  test("changes the digest of the claims; other records do not", () => {
    const none = claimsDigest(facts());
    expect(claimsDigest(facts(record("vms/kc1", "{}")))).toBe(none);
    expect(claimsDigest(facts(own(first)))).not.toBe(none);
    const two = [own(first), record("hosts/host", "{}")];
    expect(claimsDigest(facts(...two))).toBe(claimsDigest(facts(...two.reverse())));
  });
});
