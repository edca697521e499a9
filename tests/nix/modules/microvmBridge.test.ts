/** The module microvm-bridge: the bridge of a hypervisor. */
import { evaluate } from "../nix";

describe("microvm-bridge", () => {
  test("a bridge with the card and the VMs' ports, which have no addresses of their own", () => {
    const found = evaluate(`let c = t.bridge [ { microvm-bridge = {
      enable = true; physicalNic = "eno1"; mtu = 9000;
      address = "192.0.2.11/24"; gateway = "192.0.2.1";
    }; } ]; in {
      failing = t.failing c;
      inherit (c.systemd.network) netdevs networks;
      stopIfChanged = c.systemd.services.systemd-networkd.stopIfChanged;
    }`);
    const none = { address: [], gateway: [], dns: [] };
    expect(found).toEqual({
      failing: [],
      netdevs: { "10-br0": { netdevConfig: { Name: "br0", Kind: "bridge", MTUBytes: "9000" } } },
      networks: {
        "10-br0": {
          matchConfig: { Name: "br0" },
          networkConfig: { DHCP: "no", ConfigureWithoutCarrier: true, KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "no-carrier", MTUBytes: "9000" },
          address: ["192.0.2.11/24"],
          gateway: ["192.0.2.1"],
          dns: [],
        },
        "10-eno1": {
          matchConfig: { Name: "eno1" },
          networkConfig: { Bridge: "br0", KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "enslaved", MTUBytes: "9000" },
          ...none,
        },
        "10-microvm-ports": {
          matchConfig: { Name: "vm-*" },
          networkConfig: { Bridge: "br0", KeepConfiguration: "no" },
          linkConfig: { RequiredForOnline: "no", MTUBytes: "9000" },
          ...none,
        },
      },
      stopIfChanged: false,
    });
  });

  describe("NetworkManager", () => {
    const failing = (options: string) =>
      evaluate(`t.failing (t.bridge [ {
        microvm-bridge = { enable = true; physicalNic = "eno1"; };
        networking.networkmanager = { enable = true; ${options} };
      } ])`);

    test("is refused, with the names of the interfaces that it must not manage", () => {
      expect(failing("")).toEqual([
        "microvm-bridge: NetworkManager would reconfigure the bridge and its ports; set " +
          "networking.networkmanager.enable = false, or add " +
          '"interface-name:eno1" "interface-name:br0" "interface-name:vm-*" to ' +
          "networking.networkmanager.unmanaged.",
      ]);
      expect(failing('unmanaged = [ "interface-name:br0" "interface-name:eno1" ];')).toEqual([
        expect.stringContaining('add "interface-name:vm-*" to'),
      ]);
    });

    test("is accepted if it does not manage the bridge and its ports", () => {
      const all = ["eno1", "br0", "vm-*"].map((name) => `"interface-name:${name}"`).join(" ");
      expect(failing(`unmanaged = [ ${all} ];`)).toEqual([]);
    });
  });

  test("does nothing unless it is enabled", () => {
    expect(evaluate("(t.bridge [ ]).systemd.network.netdevs")).toEqual({});
  });

  test("reports all errors together", () => {
    const failing = evaluate(
      `t.failing (t.bridge [ {
        microvm-bridge = { enable = true; gateway = "192.0.2.1"; };
        networking.bridges.br0 = { };
      } ])`,
    );
    expect(failing).toEqual([
      expect.stringContaining("set microvm-bridge.physicalNic"),
      expect.stringContaining("set microvm-bridge.address"),
      expect.stringContaining("networking.bridges also defines br0"),
    ]);
  });
});
