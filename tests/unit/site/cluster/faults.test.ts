/** Faults of a site's cluster, and what is right. */
import {
  SITE,
  endpoint,
  faultsOf,
  inCluster,
  inVm,
  network,
  noEndpoint,
  warningsOf,
  without,
} from "./cases";

test("the site that the cases edit is right, and has no warnings", () => {
  expect(faultsOf(SITE)).toEqual([]);
  expect(warningsOf(SITE)).toEqual([]);
});

type Case = [string, (site: string) => string, string];
const FAULTS: Case[] = [
  [
    "roles without a cluster",
    (s) => s.replace(/cluster:\n(?: {2}.*\n)+/, ""),
    "x.yaml:1:1 cluster: is missing, but VMs have a role: kc1, kc2, kc3, kw1, kw2; state " +
      "cluster, with name and k0sVersion; to remove a cluster, remove the roles too",
  ],
  [
    "a cluster without roles",
    (s) => s.replaceAll(/ {4}role: .*\n/g, ""),
    "x.yaml:3:3 cluster: no VM has the role controller; state role: controller for one or " +
      "three VMs; to remove a cluster, remove cluster and all roles",
  ],
  [
    "a cluster of workers",
    (s) => s.replaceAll("role: controller", "role: worker"),
    "x.yaml:3:3 cluster: no VM has the role controller",
  ],
  [
    "a member that does not run",
    inVm("kw1", "running: false"),
    "vms.kw1.running: a member of the cluster must run; remove running, or remove role: then it " +
      "leaves the cluster first",
  ],
  ["no name", (s) => s.replace("  name: production\n", ""), "cluster.name: is missing; state it"],
  [
    "no version",
    (s) => s.replace('  k0sVersion: "1.36"\n', ""),
    "cluster.k0sVersion: is missing; state it",
  ],
  [
    "a version that is a number",
    (s) => s.replace('"1.36"', "1.36"),
    "x.yaml:4:15 cluster.k0sVersion: must be text; correct the value; quote it if it is text",
  ],
  [
    "a patch version",
    (s) => s.replace('"1.36"', '"1.36.3"'),
    "x.yaml:4:15 cluster.k0sVersion: is not a minor version of k0s; write the minor " +
      'version in quotes: "1.36"',
  ],
  [
    "a version below the floor",
    (s) => s.replace('"1.36"', '"1.35"'),
    "x.yaml:4:15 cluster.k0sVersion: k0s 1.35 is not supported; use 1.36 or newer",
  ],
  [
    "a version below the floor, by number and not by text",
    (s) => s.replace('"1.36"', '"1.9"'),
    "cluster.k0sVersion: k0s 1.9 is not supported",
  ],
  [
    "several controllers without an endpoint",
    noEndpoint,
    "cluster.api.endpoint: is missing, but the cluster has 3 controllers; state a virtual " +
      "IP, a load balancer, or the address of one controller: 192.0.2.21 (kc1), 192.0.2.22 " +
      "(kc2), 192.0.2.23 (kc3)",
  ],
  [
    "a worker as endpoint",
    endpoint("192.0.2.31"),
    "x.yaml:6:15 cluster.api.endpoint: 192.0.2.31 is the address of kw1, a worker, which " +
      "has no API; state a virtual IP",
  ],
  [
    "an endpoint with a port",
    endpoint("192.0.2.20:6443"),
    "x.yaml:6:15 cluster.api.endpoint: is neither an IPv4 address nor a DNS name; write it " +
      "without port",
  ],
  [
    "an endpoint of digits that is no address",
    endpoint("192.0.2"),
    "cluster.api.endpoint: is neither an IPv4 address nor a DNS name",
  ],
  [
    "a SAN that is no name",
    (s) => s.replace("192.0.2.20", "192.0.2.20\n    sans: [k8s_example]"),
    "x.yaml:7:12 cluster.api.sans[0]: is neither an IPv4 address nor a DNS name",
  ],
  [
    "one controller for all nodes",
    (s) => inCluster("  nodeLocalLoadBalancing: false")(endpoint("192.0.2.22")(s)),
    "cluster.api.endpoint: without nodeLocalLoadBalancing, all nodes would depend on kc2 " +
      "(192.0.2.22); state a virtual IP or a load balancer, or remove " +
      "nodeLocalLoadBalancing: false",
  ],
  [
    "pods among the VMs",
    (s) => network("pods", "192.0.0.0/16")(endpoint("k8s.example.org")(s)),
    "x.yaml:5:20 cluster.network.pods: 192.0.0.0/16 overlaps the network of hv1 " +
      "192.0.2.11/24; use a network that nothing else has",
  ],
  [
    "services among the VMs of another network",
    (s) =>
      network(
        "services",
        "198.51.100.0/24",
      )(s)
        .replace("    ip: 192.0.2.32\n", "    ip: 198.51.100.32\n")
        .replace("  kw2:\n", "  kw2:\n    network: { cidr: 198.51.100.0/24 }\n"),
    "cluster.network.services: 198.51.100.0/24 overlaps the network of kw2 198.51.100.0/24",
  ],
  [
    "pods among the services",
    network("pods", "10.96.0.0/16"),
    "cluster.network.services: 10.96.0.0/12 overlaps the network of the pods 10.96.0.0/16",
  ],
  [
    "an endpoint among the pods",
    endpoint("10.244.3.7"),
    "x.yaml:6:15 cluster.api.endpoint: the endpoint 10.244.3.7 is in the network of the " +
      "pods 10.244.0.0/16, which exists only inside the cluster; use an address outside it",
  ],
  [
    "a name server among the services",
    inVm("kw1", "network: { nameservers: [10.96.0.10] }"),
    "vms.kw1: the name server of kw1 10.96.0.10 is in the network of the services 10.96.0.0/12",
  ],
  [
    "a network that does not start at its first address",
    network("pods", "10.244.1.0/16"),
    "cluster.network.pods: 10.244.1.0/16 is not the first address of its network; write " +
      "10.244.0.0/16",
  ],
  [
    "too few addresses for the pods",
    network("pods", "10.244.0.0/24"),
    "cluster.network.pods: 10.244.0.0/24 has room for 1 nodes, but the site has 2; use a " +
      "shorter prefix; each node takes a /24",
  ],
  [
    "no network for one node",
    network("pods", "10.244.0.0/25"),
    "cluster.network.pods: 10.244.0.0/25 has room for 0 nodes",
  ],
  [
    "more services than Kubernetes takes",
    network("services", "172.0.0.0/8"),
    "cluster.network.services: Kubernetes accepts no network of services with a prefix of " +
      "8; use /12 to /28",
  ],
  [
    "too few services",
    network("services", "172.16.0.0/29"),
    "cluster.network.services: Kubernetes accepts no network of services with a prefix of 29",
  ],
  [
    "a fingerprint that is none",
    inCluster("  caFingerprint: abcd"),
    "x.yaml:5:18 cluster.caFingerprint: is not a SHA-256 fingerprint; write 32 bytes",
  ],
  [
    "no member may be down",
    inCluster("  maxUnavailable: 0"),
    "x.yaml:5:19 cluster.maxUnavailable: is out of range; write a number of at least 1",
  ],
  [
    "a drain without time",
    inCluster("  drain: { timeout: 0s }"),
    "x.yaml:5:21 cluster.drain.timeout: is not above 0",
  ],
  [
    "an unknown way to treat local storage",
    inCluster("  drain: { localStorage: keep }"),
    "cluster.drain.localStorage: is not one of the allowed values; write refuse, delete",
  ],
  [
    "labels of a pure controller",
    inVm("kc1", "labels: { a: b }"),
    "vms.kc1.labels: a pure controller has no Kubernetes node, so it cannot have labels; " +
      "remove labels, or state role: controller+worker",
  ],
  [
    "taints of a pure controller",
    inVm("kc1", 'taints: ["a:NoSchedule"]'),
    "vms.kc1.taints: a pure controller has no Kubernetes node, so it cannot have taints",
  ],
  [
    "labels of a VM without a role",
    (s) => inVm("kw2", "labels: { a: b }")(s.replace(/(kw2:\n.*\n) {4}role: worker\n/, "$1")),
    "vms.kw2.labels: labels need a role; state role, or remove labels",
  ],
  [
    "a label that the kubelet sets",
    inVm("kw1", "labels: { kubernetes.io/hostname: other }"),
    'vms.kw1.labels."kubernetes.io/hostname": the kubelet and k0s set this label ' +
      "themselves; use another key",
  ],
  ...["-a", "a/b/c", "/a", "a/", "Example.org/a", "a".repeat(64), "a b"].map((key): Case => [
    `the label key ${key}`,
    inVm("kw1", `labels: { "${key}": b }`),
    `: is not a label key; write NAME or PREFIX/NAME`,
  ]),
  ...["-b", "b_", "b/c", "b".repeat(64)].map((value): Case => [
    `the label value ${value}`,
    inVm("kw1", `labels: { a: "${value}" }`),
    "vms.kw1.labels.a: is not a label value; use at most 63 of",
  ]),
  [
    "a label value that is no text",
    inVm("kw1", "labels: { a: true }"),
    "vms.kw1.labels.a: must be text; correct the value; quote it if it is text",
  ],
  ...["a", "a=b", "a=b:Never", "a=b=c:NoExecute", ":NoExecute", "a b:NoExecute"].map(
    (taint): Case => [
      `the taint ${taint}`,
      inVm("kw1", `taints: ["${taint}"]`),
      "vms.kw1.taints[0]: is not a taint; write KEY=VALUE:EFFECT with NoSchedule, " +
        "PreferNoSchedule, NoExecute: dedicated=gpu:NoSchedule",
    ],
  ),
  [
    "a taint that Kubernetes sets",
    inVm("kw1", 'taints: ["node.kubernetes.io/unschedulable:NoSchedule"]'),
    "vms.kw1.taints: Kubernetes sets the taint node.kubernetes.io/unschedulable itself; remove it",
  ],
  [
    "one taint with two values",
    inVm("kw1", 'taints: ["a=b:NoSchedule", "a=c:NoSchedule"]'),
    "vms.kw1.taints: the taint a:NoSchedule is already used by taints; keep one of the two",
  ],
  [
    "a rename that would make another member",
    inVm("kw1", "renamedFrom: kw0"),
    "vms.kw1.renamedFrom: the node would become kw1, which is another member of the " +
      "cluster; state the host name that the VM has: hostName: kw0",
  ],
];

test.each(FAULTS)("%s", (_, edit, expected) => {
  const text = edit(SITE);
  expect(text).not.toBe(SITE);
  const faults = faultsOf(text);
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain(expected);
  expect(faults[0]).toMatch(/^x\.yaml:\d+:\d+ \S.*: .+; .+/);
});

describe("no fault follows from another", () => {
  test.each<Case>([
    ["a role", (s) => s.replaceAll("role: controller", "role: master"), "vms.kc1.role"],
    ["the whole cluster", (s) => s.replace(/cluster:\n(?: {2}.*\n)+/, "cluster: 5\n"), "cluster"],
    ["a whole VM", () => `${without("kc2", without("kc3"))}  kc1: 5\n`, "vms.kc1"],
    ["its api", (s) => s.replace(/ {2}api:\n.*\n/, "  api: 5\n"), "cluster.api"],
    ["a mistyped role", (s) => s.replaceAll("role: controller", "rol: controller"), "vms.kc1.rol"],
    ["the labels", inVm("kc1", "labels: { a: b c }"), "vms.kc1.labels.a"],
  ])("%s", (_, edit, path) => {
    const paths = faultsOf(edit(SITE)).map((fault) => fault.split(" ")[1]);
    const kind = paths.map((one) => one?.replace(/kc[123]/, "kc1"));
    expect(new Set(kind)).toEqual(new Set([`${path}:`]));
  });

  test("the only controller without an address", () => {
    const text = noEndpoint(without("kc2", without("kc3"))).replace("ip: 192.0.2.21", "ip: none");
    expect(faultsOf(text)).toEqual([expect.stringContaining("vms.kc1.ip: is not an IPv4 address")]);
  });
});

test.each<[string, (site: string) => string]>([
  ["a rename that keeps the node", inVm("kw1", "renamedFrom: kw0\n    hostName: kw0")],
  ["a DNS name as endpoint", endpoint("k8s.example.org")],
  [
    "a load balancer in a VM without a role",
    (s) => s.replace("role: worker", "restart: x").replace("192.0.2.20", "192.0.2.31"),
  ],
  ["a load balancer elsewhere", endpoint("203.0.113.9")],
  [
    "labels and taints of a controller+worker",
    (s) =>
      inVm(
        "kc1",
        'labels: { a: "" }\n    taints: ["a:NoExecute", "a:NoSchedule"]',
      )(s.replace("role: controller", "role: controller+worker")),
  ],
  ["a label with a prefix", inVm("kw1", "labels: { example.org/Disk_1.x: A-b_c.9 }")],
  ["a newer version", (s) => s.replace('"1.36"', '"1.40"')],
  ["without load balancing, but with a virtual IP", inCluster("  nodeLocalLoadBalancing: false")],
  [
    "no cluster and no roles",
    (s) => s.replace(/cluster:\n(?: {2}.*\n)+/, "").replaceAll(/ {4}role: .*\n/g, ""),
  ],
])("right: %s", (_, edit) => {
  const text = edit(SITE);
  expect(text).not.toBe(SITE);
  expect(faultsOf(text)).toEqual([]);
});
