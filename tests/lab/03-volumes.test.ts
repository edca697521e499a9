/** Data is never lost. */
import { SiteCopy, expectNoChanges, failingUp, on, pulumi, up } from "./lab";

const site = new SiteCopy();
const IMAGE = "/var/lib/microvms/kw2/var.img";
beforeAll(async () => {
  await site.use();
  await up();
});
afterAll(() => site.release());

const WRITTEN = "/var/lib/data/written";

test("a volume grows while its VM is stopped, and its data stays", async () => {
  await on("kw2", `echo precious > ${WRITTEN}; sync`);
  const grown = {
    "profiles.worker.volumes.var.size": "96MiB",
    "vms.kw1.volumes": { var: { size: "64MiB" } },
  };

  await site.set(grown);
  expect(await failingUp()).toMatch(/can't grow while its VM runs/);
  await site.set({ "vms.kw2.running": false });
  await up();
  await site.set({ ...grown, "vms.kw2.running": false });
  await up();
  expect(await on("hv2", `stat -c %s ${IMAGE}`)).toBe(String(96 * 1024 * 1024));
  expect(
    await on(
      "hv2",
      `dumpe2fs -h ${IMAGE} 2>/dev/null | sed -n 's/^Block count: *//p;s/^Block size: *//p' | paste -sd'*' | xargs -I{} sh -c 'echo $(({}))'`,
    ),
  ).toBe(String(96 * 1024 * 1024));
  await site.set(grown);
  await up();
  expect(await on("kw2", `cat ${WRITTEN}`)).toBe("precious");
  await expectNoChanges();

  await site.reset();
  const { code, text } = await pulumi("preview", "--stack=lab");
  expect(code).not.toBe(0);
  expect(text).toMatch(/96 MiB can't become 64 MiB: a volume never shrinks/);

  await site.set({ ...grown, "profiles.worker.volumes.var.label": "other" });
  expect(await failingUp()).toMatch(/label.*can't be changed/s);
  await site.set(grown);
  await expectNoChanges();
});

test("destroy keeps retained volumes, and the next up takes them back", async () => {
  await on("kw2", `echo kept > ${WRITTEN}; sync`);
  const { code, text } = await pulumi("destroy", "--yes", "--skip-preview", "--stack=lab");
  if (code !== 0) throw new Error(text);
  expect(await on("hv2", `ls ${IMAGE}`)).toBe(IMAGE);
  expect(await on("hv2", "ls /var/lib/microvms/kw2/current 2>&1 || true")).toMatch(/No such file/);
  await up();
  expect(await on("kw2", `cat ${WRITTEN}`)).toBe("kept");
  await expectNoChanges();
}, 300_000);

describe("a fresh VM's volume", () => {
  const kw4 = (volume: object): Record<string, unknown> => ({
    "profiles.worker.volumes.var.size": "96MiB",
    "vms.kw1.volumes": { var: { size: "64MiB" } },
    "vms.kw4": {
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.34",
      mac: "02:00:00:00:00:34",
      running: false,
      volumes: {
        var: null,
        data: { size: "16MiB", fsType: "ext4", mountPoint: "/data", ...volume },
      },
    },
  });
  const image = "/var/lib/microvms/kw4/data.img";
  const gone = (): Promise<void> =>
    site.set(Object.fromEntries(Object.entries(kw4({})).filter(([key]) => key !== "vms.kw4")));

  test("an image that nobody recorded is left alone", async () => {
    await on("hv2", `mkdir -p /var/lib/microvms/kw4; echo foreign > ${image}`);
    await site.set(kw4({ onDelete: "delete" }));
    expect(await failingUp()).toMatch(/exists, and no stack recorded making it/);
    expect(await on("hv2", `cat ${image}`)).toBe("foreign");
    await on("hv2", `rm ${image}`);
  });

  test("delete removes it", async () => {
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    expect(await on("hv2", `blkid -o value -s TYPE ${image}`)).toBe("ext4");
    await gone();
    await up();
    expect(await on("hv2", `ls ${image} 2>&1 || true`)).toMatch(/No such file/);
  });

  test("trash can be undone by hand", async () => {
    await site.set(kw4({ onDelete: "trash" }));
    await up();
    const uuid = await on("hv2", `blkid -o value -s UUID ${image}`);
    await gone();
    await up();
    await on(
      "hv2",
      `cd /var/lib/pulumi-microvm/trash && mkdir -p $(dirname ${image}) && mv kw4.data-*.img ${image} && mv kw4.data-*.json ../volumes/kw4.data.json`,
    );
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    expect(await on("hv2", `blkid -o value -s UUID ${image}`)).toBe(uuid);
    await gone();
    await up();
    await expectNoChanges();
  });

  test("an image of the wrong content is never formatted", async () => {
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    await on(
      "hv2",
      `dd if=/dev/zero of=${image} bs=1M count=1 conv=notrunc 2>/dev/null; sed -i 's/"phase":"ready"/"phase":"growing"/' /var/lib/pulumi-microvm/volumes/kw4.data.json`,
    );
    expect(await failingUp()).toMatch(/it is never formatted again/);
    await gone();
    await up();
  });
});
