/** site.json for Nix: the content of a slice decides which closures an edit changes. */
import { parseSite } from "../../../site/load";
import { siteJson } from "../../../site/siteJson";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK1BP2FxcZgl/MDbgbNVrmHOgZKU28m9OepzjxrxIP6q";
const yaml = `
flake: path:/flake
profiles:
  big: { vcpu: 2, memory: 1GiB }
hypervisors:
  hv1: { address: 192.0.2.11, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: 192.0.2.11/24 }
vms:
  kw1: { hypervisor: hv1, profile: big, ip: 192.0.2.31, mac: "02:00:00:00:00:31" }
  kw2: { hypervisor: hv1, vcpu: 1, memory: 512MiB, ip: 192.0.2.32, mac: "02:00:00:00:00:32" }
`;
const jsonOf = (text: string): string => siteJson(parseSite(text, "/site.yaml"));

test("a slice contains the name of its profile, and a new name changes only that", () => {
  const was = jsonOf(yaml).split("\n");
  const is = jsonOf(yaml.replaceAll("big", "huge")).split("\n");
  const changed = is.filter((line, index) => line !== was[index]).map((line) => line.trim());
  expect(changed).toEqual(['"profile": "huge",']);
  expect(is.filter((line) => line.includes("profile"))).toHaveLength(1);
});

test("values that are not part of a closure are in no slice", () => {
  const edited = yaml
    .replace(
      '"02:00:00:00:00:31"',
      '"02:00:00:00:00:31", running: false, restart: again, protect: true, ' +
        "switchTimeout: 1m, volumeTimeout: 1h",
    )
    .replace(
      "nic: eno1",
      "maintenance: true, forget: true, build: host, nic: eno1, parallelism: 8, shared: true, " +
        "renamedFrom: old, buildTimeout: 1h, waitTimeout: 1h",
    );
  expect(jsonOf(edited)).toBe(jsonOf(yaml));
});
