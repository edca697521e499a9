/** Faults of a site file as a whole: all are reported together, and each one once. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { loadSite, parseSite } from "../../../site/load";
import { KEY, SITE, faultsOf, issuesOf } from "./faults/cases";

test("the site that the cases edit has no faults", () => {
  expect(faultsOf(SITE)).toEqual([]);
});

test("an empty file", () => {
  for (const text of ["", "# only this\n", "~"]) {
    expect(faultsOf(text)).toEqual([
      "stacks/x.yaml:1:1: the file is empty; state flake, hypervisors and vms",
    ]);
  }
});

test("all faults are reported in the order of the file, without consequences of others", () => {
  const text = SITE.replace("vcpu: 1", "vcpu: x")
    .replace("    nic: eno1\n", "")
    .replace("192.0.2.32", "192.0.2.31");
  expect(faultsOf(text).map((fault) => fault.split(": ")[0])).toEqual([
    "stacks/x.yaml:7:11 profiles.worker.vcpu",
    "stacks/x.yaml:14:5 hypervisors.hv1.nic",
    "stacks/x.yaml:29:9 vms.kw2.ip",
  ]);
});

describe("a fault does not hide other faults", () => {
  const paths = (text: string): string[] =>
    faultsOf(text).map((fault) => fault.replace(/^\S+ (\S+): .*/s, "$1"));
  const more = (text: string): string =>
    text
      .replace("hypervisor: hv1", "hypervisor: hv7")
      .replace("192.0.2.32", "192.0.2.31")
      .replace("    vsockCid: 32", "    vsockCid: 31");

  test.each<[string, (site: string) => string, string]>([
    [
      "a duplicate key",
      (s) => s.replace("    nic:", "    nic: x\n    nic:"),
      "hypervisors.hv1.nic",
    ],
    ["an alias without anchor", (s) => s.replace("nic: eno1", "nic: *gone"), "hypervisors.hv1.nic"],
    [
      "an alias without anchor in a list",
      (s) => s.replace("ssh:\n", "ssh:\n  identityFiles: [*gone, x]\n"),
      "ssh.identityFiles[0]",
    ],
    ["a missing flake", (s) => s.replace("flake: ../lab/flake\n", ""), "flake"],
    ["a whole entry", (s) => `${s}  kw3: 5\n`, "vms.kw3"],
    ["a merge key", (s) => s.replace("    nic:", "    <<: {}\n    nic:"), 'hypervisors.hv1."<<"'],
    ["a second document", (s) => `${s}---\n{}\n`, "stacks/x.yaml"],
  ])("%s", (_, edit, path) => {
    const found = paths(more(edit(SITE)));
    expect(found.join(" ")).toContain(path);
    expect(found).toEqual(expect.arrayContaining(["vms.kw1.hypervisor", "vms.kw2.ip"]));
  });

  test("in one VM", () => {
    const text = SITE.replace("hypervisor: hv1", "hypervisor: hv7")
      .replace('"02:00:00:00:00:31"', "none")
      .replace("192.0.2.31", "192.0.2.32")
      .replace("vsockCid: 31", "vcpu: many");
    expect(paths(text)).toEqual([
      "vms.kw1.hypervisor",
      "vms.kw1.mac",
      "vms.kw1.vcpu",
      "vms.kw2.ip",
    ]);
  });

  test("in one ssh section", () => {
    const text = SITE.replace("ssh:\n", "ssh:\n  port: none\n").replace(
      "jumpHost: bastion",
      "jumpHost: moon",
    );
    expect(paths(text)).toEqual(["ssh.port", "hypervisors.hv1.ssh.jumpHost"]);
  });

  test("and an inherited faulty value is reported once", () => {
    const port = SITE.replace("ssh:\n", "ssh:\n  port: none\n").replace(
      "vms:\n",
      `  hv2:\n    address: 10.0.0.1\n    ssh: { hostKey: ${KEY}, jumpHost: bastion }\n` +
        "    nic: eno1\n    hostIp: 192.0.2.12/24\nvms:\n",
    );
    expect(paths(port)).toEqual(["ssh.port"]);
    expect(paths(SITE.replace("hostIp: 192.0.2.11/24", "hostIp: here"))).toEqual([
      "hypervisors.hv1.hostIp",
    ]);
    expect(paths(SITE.replace("  hv1:\n", "  hv1: &x\n").replace("    nic: eno1\n", ""))).toEqual([
      "hypervisors.hv1.nic",
    ]);
  });

  test("and the values of a merge key do not count as missing", () => {
    const text = SITE.replace('    mac: "02:00:00:00:00:32"\n', "    <<: {}\n");
    expect(paths(text)).toEqual(['vms.kw2."<<"']);
  });

  test("and a VM's own value is checked if that of the profile is faulty", () => {
    const text = SITE.replace("memory: 1GiB", "memory: lots").replace(
      "vsockCid: 31",
      "memory: 256MiB",
    );
    expect(paths(text)).toEqual(["profiles.worker.memory", "vms.kw1.memoryTarget"]);
  });

  test("and a faulty profile causes no faults in its VMs", () => {
    const text = SITE.replace("vcpu: 1", "vcpu: x").replace(
      "vsockCid: 31",
      "volumes: { var: { onDelete: delete } }",
    );
    expect(paths(text)).toEqual(["profiles.worker.vcpu"]);
  });
});

test("issues are data with a closed set of codes", () => {
  const text = `${SITE.replace("vcpu: 1", 'vcpu: 1\n    "a; b": 1')}---\n`;
  expect(issuesOf(text)).toEqual([
    expect.objectContaining({
      path: ["profiles", "worker", "a; b"],
      code: "unknown-key",
      position: { line: 8, column: 5 },
      what: "unknown key",
    }),
    expect.objectContaining({ path: [], code: "documents" }),
  ]);
});

test("a file that cannot be read", () => {
  expect(() => loadSite("/nowhere/x.yaml")).toThrow(/^\/nowhere\/x\.yaml: .*ENOENT.*; correct its/);
});

test("names of JavaScript's own properties are ordinary names", () => {
  const text = SITE.replace("profile: worker", "profile: constructor");
  expect(faultsOf(text).join("\n")).toContain("vms.kw1.profile: there is no profile constructor");
});

test.each(["/etc/kubernetes", "/run/secrets", "/nix/.rw-store", "/var/lib/etc", "/devices"])(
  "a volume may be mounted at %s",
  (place) => {
    const volumes = `volumes: { v: { size: 1GiB, mountPoint: ${place} } }`;
    expect(faultsOf(SITE.replace("vsockCid: 32", volumes))).toEqual([]);
  },
);

test("empty maps are valid", () => {
  expect(
    faultsOf(
      SITE.replace(/vms:[^]*/, "vms:\n").replace(
        /profiles:[^]*?hypervisors:/,
        "profiles:\nhypervisors:",
      ),
    ),
  ).toEqual([]);
});

test("the loader throws only its own error, with any text", () => {
  const lines = SITE.split("\n");
  const mutated = fc
    .array(fc.tuple(fc.nat(lines.length - 1), fc.string({ maxLength: 12 }), fc.boolean()), {
      minLength: 1,
      maxLength: 4,
    })
    .map((edits) => {
      const copy = [...lines];
      for (const [at, text, replace] of edits)
        copy[at] = replace ? text : `${copy[at] ?? ""}${text}`;
      return copy.join("\n");
    });
  fc.assert(
    fc.property(fc.oneof(fc.string(), mutated), (text) => {
      expect(Array.isArray(faultsOf(text))).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test("the examples in stacks/ have no faults", () => {
  for (const name of ["lab", "example-production"]) {
    const file = join(__dirname, "..", "..", "..", "stacks", `${name}.yaml`);
    expect(parseSite(readFileSync(file, "utf8"), file).vms.length).toBeGreaterThan(2);
  }
});

test("the README's site file has no faults", () => {
  const readme = readFileSync(join(__dirname, "..", "..", "..", "README.md"), "utf8");
  const block = /^```yaml\n(# yaml-language-server[^]*?)^```/m.exec(readme)?.[1] ?? "";
  expect(block).toContain("ssh-ed25519 AAAA...");
  expect(parseSite(block.replaceAll("ssh-ed25519 AAAA...", KEY), "stacks/x.yaml").vms).toHaveLength(
    2,
  );
});
