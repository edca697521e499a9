/** The module k0s-node: a member of a cluster. */
import { evaluate } from "./nix";

describe("k0s-node", () => {
  const node = (role: string, more = "") =>
    `[ { networking.hostName = "k1"; fileSystems."/var" = { };
         k0s-node = { enable = true; role = "${role}"; address = "192.0.2.21"; }; } ${more} ]`;

  test("a controller uses only Cilium, and has a reachable etcd and a persistent token", () => {
    const found = evaluate(`let c = t.k0sNode ${node("controller")}; in {
      failing = t.failing c;
      inherit (c.services) k0s;
      firewall = c.networking.firewall.enable;
      networkd = c.systemd.network.config.networkConfig;
      modules = c.boot.kernelModules;
    }`);
    expect(found).toEqual({
      failing: [],
      k0s: {
        enable: true,
        role: "controller",
        controller: { isLeader: false },
        tokenFile: "/etc/k0s/k0stoken",
        clusterName: "k0s",
        spec: {
          api: { address: "192.0.2.21", sans: ["192.0.2.21"] },
          network: { provider: "custom", kubeProxy: { disabled: true } },
          storage: { etcd: { peerAddress: "192.0.2.21" } },
        },
      },
      firewall: false,
      networkd: { ManageForeignRoutes: false, ManageForeignRoutingPolicyRules: false },
      modules: [],
    });
  });

  test.each([
    ["worker", "k0sworker"],
    ["controller", "k0scontroller"],
    ["controller+worker", "k0scontroller"],
  ])("k0s on a %s starts after the address is set", (role, unit) => {
    const services = evaluate(`(t.k0sNode ${node(role)}).systemd.services`);
    expect(services).toMatchObject({
      [unit]: { wants: ["network-online.target"], after: ["network-online.target"] },
    });
  });

  test.each(["worker", "controller+worker"])("a %s can mount Ceph's volumes", (role) => {
    expect(evaluate(`(t.k0sNode ${node(role)}).boot.kernelModules`)).toEqual(["rbd", "ceph"]);
  });

  test("rejects a worker as leader, and data that a reboot would lose", () => {
    const more = '{ k0s-node = { isLeader = true; tokenFile = "/run/token"; }; }';
    const failing = evaluate(
      `t.failing (t.k0sNode (${node("worker", more)} ++ [ {
        fileSystems = t.lib.mkForce { "/" = { }; "/va" = { }; };
      } ]))`,
    );
    expect(failing).toEqual([
      expect.stringContaining("k1: a worker cannot found a cluster"),
      expect.stringContaining("k1: /var/lib/k0s would be lost"),
      expect.stringContaining("k1: k0s-node.tokenFile is below /run"),
    ]);
  });
});
