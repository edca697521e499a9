import { volumeId } from "../../../components/microVm";
import { volume } from "../../../provider/resources/machines/volume";

test.each([
  "/var/lib/microvms/kc1/var.img",
  "/srv/disks/kc1-var.img",
  "/var/lib/microvms/kc1/x.img",
])("the program and the provider give the volume with image %s the same id", (image) => {
  const inputs = volume.inputs.parse({
    host: "hv1",
    machineId: "0".repeat(32),
    vm: "kc1",
    name: "var",
    image,
    sizeMiB: 64,
    label: "kc1-var",
  });
  const stated = volumeId({ hypervisor: "hv1", name: "kc1" }, { name: "var", image });
  expect(volume.id(inputs)).toBe(stated);
});
