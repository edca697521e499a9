/** Parses the probe of a host, which scripts/hosts/probe.sh prints. Pure. */
import { ProviderError } from "../../errors";
import { printable } from "../transport/printable";
import type { Probe, Taken } from "./cache";
import { SYSTEM_SHAPES, parseSystem } from "./systemFacts";
import type { SystemFact } from "./systemFacts";
import { VM_SHAPES, parseVms } from "./vmFacts";
import type { Rows, VmFact } from "./vmFacts";

export type { VmFact } from "./vmFacts";

export interface BridgeFact {
  up: boolean;
  ports: string[];
}

/** A local file system at one of its mount points. */
export interface FileSystemFact {
  /** A path, or the kernel's name of a file system without a device. */
  device: string;
  mountPoint: string;
  freeKiB: number;
}

export interface ImageFact {
  sizeBytes: number;
  allocatedBytes: number;
  /** File system and label by blkid. Empty if it finds none. Absent if it could not read. */
  content?: { fsType: string; label: string };
}

export interface HostFacts extends Taken {
  machineId: string;
  system: SystemFact;
  hostname: string;
  clockSeconds: number;
  /** When the provider received the answer, in seconds since the epoch by its own clock. */
  readAtSeconds: number;
  memoryKiB: number;
  /** Empty if df did not answer. */
  fileSystems: readonly FileSystemFact[];
  kvm: ReadonlySet<string>;
  /** The answer of systemctl is-active. Undefined, here and below: the host did not respond. */
  libvirtdActive: string | undefined;
  libvirtdAnswers: boolean;
  bridges: ReadonlyMap<string, BridgeFact> | undefined;
  /** Unit name -> `installed`, or the answer of is-enabled. */
  units: ReadonlyMap<string, string> | undefined;
  nixVersion: string;
  nixFlakes: boolean;
  vms: ReadonlyMap<string, VmFact>;
  images: ReadonlyMap<string, ImageFact>;
  /** `KIND/NAME` -> the record's text: hosts, vms, volumes, closures, systems and clusters. */
  records: ReadonlyMap<string, string>;
  /** Keys of volumes whose VM is held back: their images are worked on, or were interrupted. */
  held: ReadonlySet<string>;
  /** Name of a closure -> key -> store path, of those that are valid. */
  closures: ReadonlyMap<string, Readonly<Record<string, string>>> | undefined;
}

const NUMBER = /^\d{1,15}$/;
const PLAIN = /^[A-Za-z0-9@][A-Za-z0-9._@-]*$/;
const PATH = /^\/[^\n]+$/;
const IN_DIRECTORY = /^[^/]+\/[^/]+$/;
const ANY = /^/;

/** Kind -> the patterns of its fields. Lines of other kinds are ignored: a shell may print them. */
const SHAPES: ReadonlyMap<string, readonly RegExp[]> = new Map([
  ["machine-id", [/^[0-9a-f]{32}$/]],
  ["hostname", [ANY]],
  ["clock", [NUMBER]],
  ["taken", [NUMBER]],
  ["memory-kib", [NUMBER]],
  ["file-system", [ANY, /^\//, NUMBER]],
  ["silent", [/^(libvirtd|bridges|units|closures)$/]],
  ["kvm", [/^(device|flags|module)$/]],
  ["libvirtd", [/^(active|answers)$/, ANY]],
  ["bridge", [PLAIN, /^(up|down)$/, ANY]],
  ["unit", [PLAIN, ANY]],
  ["nix", [/^(version|flakes)$/, ANY]],
  ["record", [/^(hosts|vms|volumes|closures|systems|clusters)$/, PLAIN, ANY]],
  ["held", [PLAIN]],
  ["image", [PATH, NUMBER, NUMBER]],
  ["blkid", [/^looked$/]],
  ["content", [PATH, ANY, ANY]],
  ["closure", [IN_DIRECTORY, /^(\/[^\n]+)?$/]],
  ["invalid", [PATH]],
  ...VM_SHAPES,
  ...SYSTEM_SHAPES,
  ["probed", []],
]);
/** Facts that every host has exactly once. */
const ONCE = ["machine-id", "hostname", "clock", "memory-kib", "probed"];

function hasShape(row: readonly string[], shape: readonly RegExp[]): boolean {
  return row.length === shape.length + 1 && shape.every((field, i) => field.test(row[i + 1] ?? ""));
}

/** Splits the lines of the probe into fields. An invalid line of a known kind is an error. */
function rowsOf(host: string, lines: string[]): string[][] {
  return lines.flatMap((line) => {
    const row = line.split("\t");
    const shape = SHAPES.get(row[0] ?? "");
    if (shape === undefined) return [];
    if (hasShape(row, shape)) return [row];
    throw new ProviderError(
      "operation",
      `${host}: the probe's answer has a line that is no fact: ${printable(line).slice(0, 100)}`,
    );
  });
}

/** Parses the lines of a probe. An incomplete answer is an error, never an empty host. */
export function parseFacts(host: string, lines: string[], readAtSeconds: number): HostFacts {
  const rows = rowsOf(host, lines);
  const of = (kind: string): string[][] =>
    rows.filter((row) => row[0] === kind).map((row) => row.slice(1));
  const one = (kind: string, key?: string): string =>
    (key === undefined ? of(kind)[0]?.[0] : of(kind).find((row) => row[0] === key)?.[1]) ?? "";
  if (ONCE.some((kind) => of(kind).length !== 1)) {
    throw new ProviderError("operation", `${host}: the probe's answer is not whole`);
  }
  const silent = new Set(of("silent").map((row) => row[0]));
  const unlessSilent = <T>(what: string, read: () => T): T | undefined =>
    silent.has(what) ? undefined : read();
  return {
    machineId: one("machine-id"),
    bootId: one("boot-id"),
    takenAt: Number(one("taken")),
    system: parseSystem(one),
    hostname: one("hostname"),
    clockSeconds: Number(one("clock")),
    readAtSeconds,
    memoryKiB: Number(one("memory-kib")),
    fileSystems: of("file-system").map(([device = "", mountPoint = "", free]) => ({
      device,
      mountPoint,
      freeKiB: Number(free),
    })),
    kvm: new Set(of("kvm").map((row) => row[0] ?? "")),
    libvirtdActive: unlessSilent("libvirtd", () => one("libvirtd", "active")),
    libvirtdAnswers: one("libvirtd", "answers") === "yes",
    bridges: unlessSilent("bridges", () => parseBridges(of)),
    units: unlessSilent("units", () => parseUnits(of)),
    nixVersion: one("nix", "version"),
    nixFlakes: one("nix", "flakes") === "yes",
    vms: parseVms(of),
    images: parseImages(of),
    records: new Map(of("record").map(([kind, name, text = ""]) => [`${kind}/${name}`, text])),
    held: new Set(of("held").map((row) => row[0] ?? "")),
    closures: unlessSilent("closures", () => parseClosures(of)),
  };
}

function parseBridges(of: Rows): Map<string, BridgeFact> {
  const portsOf = (text: string): string[] => text.split(" ").filter((port) => port !== "");
  return new Map(
    of("bridge").map(([name = "", up, ports = ""]) => [
      name,
      { up: up === "up", ports: portsOf(ports) },
    ]),
  );
}

function parseUnits(of: Rows): Map<string, string> {
  return new Map(of("unit").map(([name = "", state = ""]) => [name, state]));
}

function parseImages(of: Rows): Map<string, ImageFact> {
  const known = new Map(
    of("content").map(([path = "", fsType = "", label = ""]) => [path, { fsType, label }]),
  );
  const looked = of("blkid").length > 0;
  return new Map(
    of("image").map(([path = "", size, blocks]) => {
      const bytes = { sizeBytes: Number(size), allocatedBytes: Number(blocks) * 512 };
      const content = known.get(path) ?? { fsType: "", label: "" };
      return [path, looked ? { ...bytes, content } : bytes];
    }),
  );
}

function parseClosures(of: Rows): Map<string, Record<string, string>> {
  const invalid = new Set(of("invalid").map((row) => row[0]));
  const closures = new Map<string, Record<string, string>>();
  for (const [path = "", target = ""] of of("closure")) {
    const [name = "", key = ""] = path.split("/");
    // Without a target: it went while the probe looked.
    if (target === "" || invalid.has(target)) continue;
    closures.set(name, { ...closures.get(name), [key]: target });
  }
  return closures;
}

/** The probe of a hypervisor. */
export const HOST_PROBE: Probe<HostFacts> = { script: "probe", parse: parseFacts };
