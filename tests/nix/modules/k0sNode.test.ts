/** The module k0s-node: a member of the cluster. */
import { z } from "zod";
import { complaint, evaluate } from "../nix";
import { storePathOf } from "./storePath";

describe("k0s-node", () => {
  const node = (role: string, more = "") =>
    `[ { networking.hostName = "k1"; fileSystems."/var" = { };
         k0s-node = { enable = true; role = "${role}"; address = "192.0.2.21"; version = "1.36";
           clusterName = "production"; }; } ${more} ]`;
  const unit = (role: string, more = "") =>
    z
      .looseObject({ serviceConfig: z.record(z.string(), z.unknown()) })
      .parse(evaluate(`(t.k0sNode ${node(role, more)}).systemd.services.k0s`));

  test("a controller uses only Cilium, and has a reachable etcd and a persistent token", () => {
    const found = evaluate(`let c = t.k0sNode ${node("controller")}; in {
      failing = t.failing c;
      package = c.services.k0s.package.version;
      k0s = { inherit (c.services.k0s) enable role tokenFile clusterName; };
      api = { inherit (c.services.k0s.spec.api) address externalAddress sans; };
      network = { inherit (c.services.k0s.spec.network) provider podCIDR serviceCIDR; };
      proxy = c.services.k0s.spec.network.kubeProxy.disabled;
      balancing = c.services.k0s.spec.network.nodeLocalLoadBalancing.enabled;
      etcd = c.services.k0s.spec.storage.etcd.peerAddress;
      firewall = { inherit (c.networking.firewall) enable checkReversePath; };
      networkd = c.systemd.network.config.networkConfig;
      modules = c.boot.kernelModules;
    }`);
    expect(found).toEqual({
      failing: [],
      package: "1.36.3+k0s.2",
      k0s: {
        enable: true,
        role: "controller",
        tokenFile: "/etc/k0s/k0stoken",
        clusterName: "production",
      },
      api: { address: "192.0.2.21", externalAddress: "", sans: ["192.0.2.21"] },
      network: { provider: "custom", podCIDR: "10.244.0.0/16", serviceCIDR: "10.96.0.0/12" },
      proxy: true,
      balancing: true,
      etcd: "192.0.2.21",
      firewall: { enable: false, checkReversePath: false },
      networkd: { ManageForeignRoutes: false, ManageForeignRoutingPolicyRules: false },
      modules: [],
    });
  });

  /** The fields of spec.api for these options. */
  const api = (more: string) =>
    evaluate(`let a = (t.k0sNode ${node("controller", `{ k0s-node = { ${more} }; }`)})
      .services.k0s.spec.api;
      in { inherit (a) externalAddress sans; }`);

  test("the endpoint is a SAN, and k0s's load balancer only without the one on each node", () => {
    const endpoint = 'endpoint = "192.0.2.20"; apiNames = [ "k8s.example.org" "192.0.2.20" ];';
    const sans = ["192.0.2.21", "192.0.2.20", "k8s.example.org"];
    expect(api(endpoint)).toEqual({ externalAddress: "", sans });
    const without = `${endpoint} nodeLocalLoadBalancing = false;`;
    expect(api(without)).toEqual({ externalAddress: "192.0.2.20", sans });
    expect(api('endpoint = "192.0.2.21"; nodeLocalLoadBalancing = false;')).toEqual({
      externalAddress: "",
      sans: ["192.0.2.21"],
    });
  });

  const ARGUMENTS = "--data-dir=/var/lib/k0s";
  const CONTROLLER = "--config=/etc/k0s/k0s.yaml --disable-components=autopilot,update-prober";
  test.each([
    ["worker", `worker ${ARGUMENTS}`],
    ["controller", `controller ${ARGUMENTS} ${CONTROLLER}`],
    ["controller+worker", `controller ${ARGUMENTS} ${CONTROLLER} --enable-worker --no-taints`],
  ])("one unit for every %s: the condition chooses whether it has a token", (role, command) => {
    const { serviceConfig, ...rest } = unit(role);
    const condition = storePathOf("k0s-condition");
    const kind = role === "worker" ? "worker" : "controller";
    expect(serviceConfig).toMatchObject({
      ExecCondition: `/bin/sh ${condition} /var/lib/k0s ${kind} /etc/k0s/k0stoken production`,
      EnvironmentFile: "-/run/pulumi-microvm/k0s.env",
      RestartSec: 10,
      Restart: "always",
    });
    const [program = "", ...words] = String(serviceConfig["ExecStart"]).split(" ");
    expect(program).toMatch(/^\/nix\/store\/[^ ]*k0s-1\.36\.3[^ ]*\/bin\/k0s$/);
    expect(words.join(" ")).toBe(`${command} $K0S_TOKEN_ARGUMENT`);
    expect(rest).toMatchObject({
      unitConfig: { ConditionPathExists: [], RequiresMountsFor: "/var/lib/k0s" },
    });
    expect(rest["wants"]).toContain("network-online.target");
    expect(rest["after"]).toContain("network-online.target");
    expect(rest["path"]).toContain("gzip");
  });

  test("the users' own arguments come last", () => {
    const { serviceConfig } = unit("worker", '{ services.k0s.extraArgs = "--debug"; }');
    expect(serviceConfig["ExecStart"]).toMatch(/ \$K0S_TOKEN_ARGUMENT --debug$/);
  });

  test("a controller restarts k0s with its configuration, a worker does not", () => {
    const triggers = (role: string, more = "") => unit(role, more)["restartTriggers"];
    const more = '{ k0s-node.apiNames = [ "k8s.example.org" ]; }';
    expect(triggers("controller")).toHaveLength(1);
    expect(triggers("controller", more)).not.toEqual(triggers("controller"));
    expect(triggers("worker")).toEqual([]);
  });

  test("a version that the overlay lacks is named, with the remedy", () => {
    const newer = '{ k0s-node.version = t.lib.mkForce "1.99"; }';
    const said = complaint(`(t.k0sNode ${node("worker", newer)}).services.k0s.package`);
    expect(said).toContain(
      "k1: there is no package k0s_1_99; use the overlay of a k0s-nix that has",
    );
  });

  test.each(["worker", "controller+worker"])("a %s can mount Ceph's volumes", (role) => {
    expect(evaluate(`(t.k0sNode ${node(role)}).boot.kernelModules`)).toEqual([
      "rbd",
      "ceph",
      "nbd",
    ]);
  });

  test("a worker forwards packets, and filters none of the pods' by their path", () => {
    expect(evaluate(`(t.k0sNode ${node("worker")}).boot.kernel.sysctl`)).toEqual({
      "net.ipv4.ip_forward": 1,
      "net.ipv4.conf.all.rp_filter": 0,
      "net.ipv4.conf.default.rp_filter": 0,
      "net.ipv4.conf.lxc*.rp_filter": 0,
      "net.ipv4.conf.cilium_*.rp_filter": 0,
    });
    expect(evaluate(`(t.k0sNode ${node("controller")}).boot.kernel.sysctl`)).toEqual({});
  });

  test.each([
    ["controller", [2380, 6443, 8132, 9443], []],
    ["worker", [4240, 10250], [8472]],
    ["controller+worker", [2380, 4240, 6443, 8132, 9443, 10250], [8472]],
  ])("the firewall of a %s, where it is enabled, lets the cluster in", (role, tcp, udp) => {
    const found =
      evaluate(`let f = (t.k0sNode ${node(role, "{ networking.firewall.enable = true; }")})
        .networking.firewall;
      in {
        tcp = builtins.sort (a: b: a < b) f.allowedTCPPorts;
        udp = f.allowedUDPPorts;
        inherit (f) enable;
      }`);
    expect(found).toEqual({ enable: true, tcp, udp });
  });

  test("rejects data and a token that a reboot would lose, and a k0s-nix without the unit", () => {
    const more = `{ k0s-node.tokenFile = "/run/token"; systemd.services.k0scontroller = { };
      fileSystems = t.lib.mkForce { "/" = { }; "/va" = { }; }; }`;
    const failing = evaluate(`t.failing (t.k0sNode ${node("controller", more)})`);
    expect(failing).toEqual([
      expect.stringContaining("k1: this k0s-nix has no unit k0s; update the flake input k0s-nix"),
      expect.stringContaining("k1: /var/lib/k0s would be lost"),
      expect.stringContaining("k1: k0s-node.tokenFile is below /run"),
    ]);
  });
});
