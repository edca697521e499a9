/** The order in which VMs stop before a reboot of their hypervisor. */
import { stopOrder } from "../../../components/hypervisorHost";

test("workers stop before controllers, VMs without a role with the workers", () => {
  expect(
    stopOrder([
      { name: "kc1", role: "controller" },
      { name: "kcw1", role: "controller+worker" },
      { name: "kw1", role: "worker" },
      { name: "other" },
    ]),
  ).toEqual(["kw1", "other", "kcw1", "kc1"]);
});
