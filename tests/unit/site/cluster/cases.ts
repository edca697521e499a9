/** A right site with a cluster, and edits of it. */
import { SiteError, formatIssue } from "../../../../site/issues";
import { parseSite, parseSiteWithWarnings } from "../../../../site/load";
import { KEY } from "../faults/cases";

const host = (name: string, ip: string): string =>
  `  ${name}: { address: ${ip}, ssh: { hostKey: ${KEY} }, nic: eno1, hostIp: ${ip}/24 }\n`;
const vm = (name: string, hypervisor: string, last: number, role: string): string =>
  `  ${name}:\n    hypervisor: ${hypervisor}\n    role: ${role}\n    vcpu: 1\n    memory: 1GiB\n` +
  `    ip: 192.0.2.${last}\n    mac: "02:00:00:00:00:${last}"\n`;
const VMS: readonly [name: string, hypervisor: string, last: number, role: string][] = [
  ["kc1", "hv1", 21, "controller"],
  ["kc2", "hv2", 22, "controller"],
  ["kc3", "hv3", 23, "controller"],
  ["kw1", "hv1", 31, "worker"],
  ["kw2", "hv2", 32, "worker"],
];
export const SITE = `flake: ../lab/flake
cluster:
  name: production
  k0sVersion: "1.36"
  api:
    endpoint: 192.0.2.20
hypervisors:
${host("hv1", "192.0.2.11")}${host("hv2", "192.0.2.12")}${host("hv3", "192.0.2.13")}vms:
${VMS.map((of) => vm(...of)).join("")}`;

export function faultsOf(text: string): string[] {
  try {
    parseSite(text, "x.yaml");
    return [];
  } catch (error) {
    if (error instanceof SiteError) return error.issues.map(formatIssue);
    throw error;
  }
}
export const warningsOf = (text: string): string[] =>
  parseSiteWithWarnings(text, "x.yaml").warnings.map(formatIssue);

export const without = (name: string, text = SITE): string =>
  text.replace(new RegExp(`  ${name}:\\n(    .*\\n)+`), "");
export const inCluster = (lines: string) => (text: string) =>
  text.replace('  k0sVersion: "1.36"\n', `  k0sVersion: "1.36"\n${lines}\n`);
export const inVm = (name: string, line: string) => (text: string) =>
  text.replace(`  ${name}:\n`, `  ${name}:\n    ${line}\n`);
export const network = (kind: string, cidr: string) => inCluster(`  network: { ${kind}: ${cidr} }`);
export const endpoint = (value: string) => (text: string) => text.replace("192.0.2.20", value);
export const noEndpoint = (text: string): string =>
  text.replace("  api:\n    endpoint: 192.0.2.20\n", "");
