import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { stringify, parse } from "yaml";
import { z } from "zod";
import { jsonSchema } from "../../../site/jsonSchema";
import { parseSite } from "../../../site/load";
import { isHostOf, parseCidr, parseIp } from "../../../site/network";
import { siteJson } from "../../../site/siteJson";
import { formatSize, parseDuration, parseSize } from "../../../site/units";

const ROOT = join(__dirname, "..", "..", "..");
const LAB = readFileSync(join(ROOT, "stacks", "lab.yaml"), "utf8");
const lab = () => parseSite(LAB, "/site/stacks/lab.yaml");

describe("units", () => {
  test("sizes are read as they were written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 40 }), (sizeMiB) => {
        expect(parseSize(formatSize(sizeMiB))).toBe(sizeMiB);
      }),
    );
  });
  test("known sizes and durations", () => {
    expect(["20GiB", "1.5GiB", "512MiB", "1TiB"].map(parseSize)).toEqual([
      20480, 1536, 512, 1048576,
    ]);
    expect(["20GB", "20", "-1GiB", "0MiB", "0.5MiB", "1e3GiB"].map(parseSize)).toEqual(
      Array(6).fill(undefined),
    );
    expect(["90s", "5m", "2h", "0s", "5"].map(parseDuration)).toEqual([
      90,
      300,
      7200,
      undefined,
      undefined,
    ]);
  });
});

test("the first and the last address of a network are not host addresses", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 30 }), (ip, prefix) => {
      const dotted = [24, 16, 8, 0].map((shift) => Math.floor(ip / 2 ** shift) % 256).join(".");
      expect(parseIp(dotted)).toBe(ip);
      const cidr = parseCidr(`${dotted}/${prefix}`);
      if (cidr === undefined) throw new Error("a network");
      expect(cidr.broadcast - cidr.network + 1).toBe(2 ** (32 - prefix));
      expect(isHostOf(cidr, cidr.network)).toBe(false);
      expect(isHostOf(cidr, cidr.broadcast)).toBe(false);
      expect(isHostOf(cidr, cidr.network + 1)).toBe(true);
    }),
  );
});

describe("the normalised site", () => {
  test("has every default, and paths relative to the file", () => {
    const site = lab();
    expect(site.flake).toBe("path:/site/lab/flake");
    expect(site.hypervisors[0]).toMatchObject({
      name: "hv1",
      bridge: "br0",
      build: "operator",
      maintenance: false,
      forget: false,
      shared: false,
      parallelism: 4,
      buildTimeoutSeconds: 4 * 3600,
      waitTimeoutSeconds: 6 * 3600,
      endpoint: { address: "198.18.0.11", port: 22, user: "root" },
      checks: { kvm: "warn", disk: "require" },
    });
    expect(site.vms[1]).toMatchObject({
      name: "kw1",
      hostName: "kw1",
      memoryMiB: 192,
      prefixLength: 24,
      updatePolicy: "live",
      startTimeoutSeconds: 600,
      switchTimeoutSeconds: 600,
      volumeTimeoutSeconds: 24 * 3600,
      protect: false,
      running: true,
      restart: "",
      volumes: [
        {
          name: "var",
          image: "/var/lib/microvms/kw1/var.img",
          sizeMiB: 64,
          fsType: "ext4",
          label: "kw1-var",
          onDelete: "retain",
          protect: false,
        },
      ],
    });
  });

  test("takes time limits from the VM, else from its profile", () => {
    const text = LAB.replace("    vcpu: 1\n", "    vcpu: 1\n    switchTimeout: 1m\n")
      .replace(
        "    vcpu: 1\n    memory: 192MiB",
        "    vcpu: 1\n    volumeTimeout: 2h\n    memory: 192MiB",
      )
      .replace("    nic: eno1", "    nic: eno1\n    buildTimeout: 10m\n    waitTimeout: 90s");
    const [kc1, kw1] = parseSite(
      text.replace("    role: controller", "    role: controller\n    switchTimeout: 3m"),
      "x",
    ).vms;
    expect(kc1).toMatchObject({ switchTimeoutSeconds: 180, volumeTimeoutSeconds: 24 * 3600 });
    expect(kw1).toMatchObject({ switchTimeoutSeconds: 600, volumeTimeoutSeconds: 7200 });
    expect(parseSite(text, "x").hypervisors[0]).toMatchObject({
      buildTimeoutSeconds: 600,
      waitTimeoutSeconds: 90,
    });
  });

  test("has protection of VMs, and of volumes also through the profile", () => {
    const text = LAB.replace(
      "    role: controller",
      "    role: controller\n    protect: true",
    ).replace("var: { size: 512MiB,", "var: { protect: true, size: 512MiB,");
    const [kc1, kw1] = parseSite(text, "x").vms;
    expect(kc1).toMatchObject({ protect: true, volumes: [{ protect: true }] });
    expect(kw1).toMatchObject({ protect: false, volumes: [{ protect: false }] });
  });

  test("keeps the default labels of a renamed VM's volumes and moves their images", () => {
    const text = LAB.replace("  kw1:\n", "  kw7:\n    renamedFrom: kw1\n    hostName: kw1\n");
    expect(parseSite(text, "x").vms.find(({ name }) => name === "kw7")).toMatchObject({
      renamedFrom: "kw1",
      hostName: "kw1",
      volumes: [{ label: "kw1-var", image: "/var/lib/microvms/kw7/var.img" }],
    });
    const stated = text.replace("renamedFrom: kw1", "volumes: { var: { label: kw1-var } }");
    expect(parseSite(stated, "x").vms.find(({ name }) => name === "kw7")?.volumes).toMatchObject([
      { label: "kw1-var" },
    ]);
  });

  test("a VM overrides a profile's volume field by field, and null removes it", () => {
    const edited = LAB.replace(
      "    profile: worker\n",
      "    profile: worker\n    volumes: { var: { size: 1GiB }, scratch: { size: 16MiB } }\n",
    );
    const [own, scratch] = [...(parseSite(edited, "x").vms[1]?.volumes ?? [])].reverse();
    expect(own).toMatchObject({ sizeMiB: 1024, mountPoint: "/var" });
    expect(scratch).toMatchObject({ name: "scratch", sizeMiB: 16 });
    const removed = LAB.replace(
      "    profile: worker\n",
      "    profile: worker\n    volumes: { var: null }\n",
    );
    expect(parseSite(removed, "x").vms[1]?.volumes).toEqual([]);
  });

  test("does not depend on the order in the file", () => {
    const reversed = JSON.stringify(parse(LAB), (_, value: unknown) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    );
    expect(parseSite(stringify(JSON.parse(reversed)), "/site/stacks/lab.yaml")).toEqual(lab());
  });
});

describe("site.json", () => {
  const slices = (text: string): Record<string, string> => {
    const json = z.object({ machines: z.record(z.string(), z.unknown()) }).parse(JSON.parse(text));
    return Object.fromEntries(
      Object.entries(json.machines).map(([name, slice]) => [name, JSON.stringify(slice)]),
    );
  };

  test("an edit for one VM changes no slice of another", () => {
    const before = slices(siteJson(lab()));
    fc.assert(
      fc.property(
        fc.constantFrom("kc1", "kw1", "kw2"),
        fc.constantFrom(
          "    vcpu: 3",
          "    memory: 300MiB",
          "    vsockCid: 9",
          "    hostName: other",
          "    volumes: { var: { size: 80MiB } }",
        ),
        (name, line) => {
          const after = slices(
            siteJson(
              parseSite(
                LAB.replace(`  ${name}:\n`, `  ${name}:\n${line}\n`),
                "/site/stacks/lab.yaml",
              ),
            ),
          );
          for (const other of Object.keys(before))
            expect(after[other] === before[other]).toBe(other !== name);
        },
      ),
    );
  });

  test("omits everything that is not part of a closure", () => {
    const edited = LAB.replace(
      "    profile: worker\n",
      "    profile: worker\n    restart: again\n",
    );
    expect(edited).not.toBe(LAB);
    expect(siteJson(parseSite(edited, "/site/stacks/lab.yaml"))).toBe(siteJson(lab()));
    const smaller = LAB.replace(
      'mac: "02:00:00:00:00:31"',
      'mac: "02:00:00:00:00:31"\n    memoryTarget: 128MiB',
    );
    const target = parseSite(smaller, "/site/stacks/lab.yaml");
    expect(target.vms.find((vm) => vm.name === "kw1")?.memoryTargetMiB).toBe(128);
    expect(siteJson(target)).toBe(siteJson(lab()));
    expect(siteJson(lab())).not.toMatch(/hostKey|onDelete|"port"|running/);
  });
});

test("site.schema.json equals the generated schema (npm run schema)", () => {
  expect(readFileSync(join(ROOT, "site.schema.json"), "utf8")).toBe(jsonSchema());
});
