/** A right site file, and faults that single edits of it cause. */
import { SiteError, formatIssue } from "../../../../site/issues";
import type { LocatedIssue } from "../../../../site/issues";
import { parseSite } from "../../../../site/load";

export const KEY =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
export const SITE = `flake: ../lab/flake
ssh:
  jumpHosts:
    bastion: { address: b.example.org, hostKey: ${KEY} }
profiles:
  worker:
    vcpu: 1
    memory: 1GiB
    memoryTarget: 512MiB
    volumes:
      var: { size: 10GiB, mountPoint: /var }
hypervisors:
  hv1:
    address: 10.0.0.1
    ssh: { hostKey: ${KEY}, jumpHost: bastion }
    nic: eno1
    hostIp: 192.0.2.11/24
    memory: 4GiB
    disk: 40GiB
vms:
  kw1:
    hypervisor: hv1
    profile: worker
    ip: 192.0.2.31
    mac: "02:00:00:00:00:31"
    vsockCid: 31
  kw2:
    hypervisor: hv1
    profile: worker
    ip: 192.0.2.32
    mac: "02:00:00:00:00:32"
    vsockCid: 32
`;

/** The issues of a text. Empty if the text is right. */
export function issuesOf(text: string): readonly LocatedIssue[] {
  try {
    parseSite(text, "stacks/x.yaml");
    return [];
  } catch (error) {
    if (error instanceof SiteError) return error.issues;
    throw error;
  }
}

/** The issues as a user sees them. */
export const faultsOf = (text: string): string[] => issuesOf(text).map(formatIssue);

/** A title, an edit of the right site, and a part of the fault that the edit causes. */
export type Case = [string, (site: string) => string, string];

export function testFaults(cases: Case[]): void {
  test.each(cases)("%s", (_, edit, expected) => {
    const text = edit(SITE);
    expect(text).not.toBe(SITE);
    const faults = faultsOf(text);
    expect(faults.join("\n")).toContain(expected);
    for (const fault of faults) expect(fault).toMatch(/^stacks\/x\.yaml:\d+:\d+( \S.*)?: .+; .+/);
  });
}
