/**
 * The bridge of a hypervisor under the real systemd-networkd: which addresses and routes remain.
 */
import { NetworkdHost, bridgeUnits } from "./networkd";

let host: NetworkdHost;
beforeEach(async () => {
  host = await NetworkdHost.start();
});
afterEach(() => host.stop());

const BRIDGE = 'address = "192.0.2.11/24"; gateway = "192.0.2.1";';

test("the bridge takes over the address of a card, which keeps none", async () => {
  await host.restart({
    "10-eno1.network":
      "[Match]\nName=eno1\n[Network]\nAddress=192.0.2.11/24\nGateway=192.0.2.1\nDHCP=no\n",
  });
  await host.configured("eno1");
  expect(host.addresses("eno1")).toEqual(["192.0.2.11"]);
  await host.listen("host");
  await host.listen("lan");

  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1", "vm-kw1");
  expect(host.addresses("eno1")).toEqual([]);
  expect(host.addresses("br0")).toEqual(["192.0.2.11"]);
  expect(host.defaultRoutes()).toEqual(["192.0.2.1 br0"]);
  const failures = await Promise.all([
    host.failures("lan", "192.0.2.11", 10),
    host.failures("host", "192.0.2.1", 10),
  ]);
  expect(failures).toEqual([0, 0]);
});

test("a foreign address on the port of a VM is removed", async () => {
  host.ip("host", "address add 192.0.2.99/24 dev vm-kw1");
  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1", "vm-kw1");
  expect(host.addresses("vm-kw1")).toEqual([]);
});

test("an edited address and gateway replace the previous ones", async () => {
  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1");
  await host.restart(bridgeUnits('address = "192.0.2.12/24"; gateway = "192.0.2.254";'));
  await host.configured("br0", "eno1");
  expect(host.addresses("br0")).toEqual(["192.0.2.12"]);
  expect(host.defaultRoutes()).toEqual(["192.0.2.254 br0"]);
});

test("an edited gateway replaces the previous route, and a removed one removes it", async () => {
  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1");
  await host.restart(bridgeUnits('address = "192.0.2.11/24"; gateway = "192.0.2.254";'));
  await host.configured("br0", "eno1");
  expect(host.defaultRoutes()).toEqual(["192.0.2.254 br0"]);
  await host.restart(bridgeUnits('address = "192.0.2.11/24";'));
  await host.configured("br0", "eno1");
  expect(host.defaultRoutes()).toEqual([]);
  expect(host.addresses("br0")).toEqual(["192.0.2.11"]);
});

test("a restart without an edit interrupts neither the host nor a VM", async () => {
  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1", "vm-kw1");
  await host.listen("host");
  await host.listen("lan");
  const events = await host.monitor();
  const traffic = Promise.all([
    host.failures("vm", "192.0.2.1", 6),
    host.failures("lan", "192.0.2.11", 6),
  ]);
  await host.restart(bridgeUnits(BRIDGE));
  await host.configured("br0", "eno1", "vm-kw1");
  expect(await traffic).toEqual([0, 0]);
  // networkd 252 removes and adds an unchanged IPv4 address within a millisecond, because it
  // compares broadcast addresses. Later versions do not.
  const removed = events().filter(
    (line) => (line.startsWith("Deleted") || line.includes("state DOWN")) && !/ inet /.test(line),
  );
  expect(removed.filter((line) => / (br0|eno1|vm-kw1)\b/.test(line))).toEqual([]);
  expect(host.addresses("br0")).toEqual(["192.0.2.11"]);
  expect(host.defaultRoutes()).toEqual(["192.0.2.1 br0"]);
});
