/** Names that the program and the provider must spell the same way. */
import { resolve } from "node:path";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb";
import { CHECK_NAMES, defaultImage } from "../../contract/names";
import { CHECK } from "../../provider/resources/hosts/hypervisorChecks";
import { hypervisor } from "../../provider/resources/hosts/hypervisor";
import { volume } from "../../provider/resources/machines/volume";
import { loadSite } from "../../site/load";
import { registerAll } from "./components/registrations";

const lab = loadSite(resolve(__dirname, "../../stacks/lab.yaml"));
const KIND = "microvm:index:Volume";

/** The imported volumes of the lab. Those with the name `var` have this image. */
async function imported(image: (vm: string) => string): Promise<RegisterResourceRequest[]> {
  const vms = lab.vms.map((vm) => ({
    ...vm,
    import: true,
    volumes: vm.volumes.map((one) => ({ ...one, image: image(vm.name) })),
  }));
  const { requests } = await registerAll({ ...lab, vms });
  return requests.filter((one) => one.getType() === KIND);
}

test.each([
  ["the default", (vm: string) => defaultImage(vm, "var")],
  ["elsewhere", (vm: string) => `/srv/disks/${vm}-var.img`],
  ["of another name", (vm: string) => defaultImage(vm, "x")],
])("the program imports a volume with the provider's id, if the image is %s", async (_, image) => {
  const requests = await imported(image);
  expect(requests.length).toBeGreaterThan(0);
  for (const request of requests) {
    const inputs = volume.inputs.parse({
      ...request.getObject()?.toJavaScript(),
      machineId: "0".repeat(32),
    });
    expect(request.getImportid()).toBe(volume.id(inputs));
  }
});

test("the site and the provider have the same checks in the same order", () => {
  expect(Object.keys(CHECK)).toEqual([...CHECK_NAMES]);
  for (const { checks } of lab.hypervisors) expect(Object.keys(checks)).toEqual([...CHECK_NAMES]);
  const { checks } = hypervisor.inputs.parse({ host: "hv1", bridge: "br0", nic: "eno1" });
  expect(Object.keys(checks)).toEqual([...CHECK_NAMES]);
});
