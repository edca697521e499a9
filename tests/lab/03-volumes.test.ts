/** Volumes: data is never lost. */
import { SiteCopy, expectNoChanges, failingUp, on, pulumi, up, STACK } from "./lab";

const site = new SiteCopy();
const IMAGE = "/var/lib/microvms/kw2/var.img";
const WRITTEN = "/var/lib/data/written";
beforeAll(() => site.converge());
afterAll(() => site.restore());

describe("a volume of a new VM", () => {
  const image = "/var/lib/microvms/kw6/var.img";
  const kw6 = (size: string, running: boolean, more: object = {}): Record<string, unknown> => ({
    "vms.kw6": {
      hypervisor: "hv2",
      profile: "worker",
      ip: "198.18.0.36",
      mac: "02:00:00:00:00:36",
      running,
      volumes: { var: { size, onDelete: "delete", ...more } },
    },
  });
  /** Size of the file system in the image, from its superblock. */
  const fileSystemBytes = (): Promise<string> =>
    on(
      "hv2",
      `dumpe2fs -h ${image} 2>/dev/null | ` +
        `awk '/^Block count:/ {n=$3} /^Block size:/ {s=$3} END {printf "%d", n*s}'`,
    );

  test("grows only while its VM is stopped, and keeps its data", async () => {
    await site.set(kw6("64MiB", true));
    await up();
    await on("kw6", `echo precious > ${WRITTEN}; sync`);
    await site.set(kw6("96MiB", true));
    expect(await failingUp()).toMatch(/can't grow while its VM runs/);
    await site.set(kw6("64MiB", false));
    await up();
    await site.set(kw6("96MiB", false));
    await up();
    expect(await on("hv2", `stat -c %s ${image}`)).toBe(String(96 * 1024 * 1024));
    expect(await fileSystemBytes()).toBe(String(96 * 1024 * 1024));
    await site.set(kw6("96MiB", true));
    await up();
    expect(await on("kw6", `cat ${WRITTEN}`)).toBe("precious");
    await expectNoChanges();
  });

  test("the preview refuses to shrink or replace it", async () => {
    await site.set(kw6("64MiB", true));
    const shrunk = await pulumi("preview", STACK);
    expect(shrunk.code).not.toBe(0);
    expect(shrunk.text).toMatch(/96 MiB can't become 64 MiB: a volume never shrinks/);
    for (const more of [{ label: "other" }, { image: "/var/lib/microvms/kw6/other.img" }]) {
      await site.set(kw6("96MiB", true, more));
      const replaced = await pulumi("preview", STACK);
      expect(replaced.code).not.toBe(0);
      expect(replaced.text).toMatch(/can't be changed\. A volume is never replaced/);
    }
    expect(await on("kw6", `cat ${WRITTEN}`)).toBe("precious");
  });
});

test("destroy keeps retained volumes, and the next up uses them again", async () => {
  await site.reset();
  await up();
  await on("kw2", `echo kept > ${WRITTEN}; sync`);
  const { code, text } = await pulumi("destroy", "--yes", "--skip-preview", STACK);
  if (code !== 0) throw new Error(text);
  expect(await on("hv2", `ls ${IMAGE}`)).toBe(IMAGE);
  expect(await on("hv2", "ls /var/lib/microvms/kw2/current 2>&1 || true")).toMatch(/No such file/);
  await up();
  expect(await on("kw2", `cat ${WRITTEN}`)).toBe("kept");
  await expectNoChanges();
}, 300_000);

describe("removal and adoption of a volume", () => {
  const kw4 = (volume: object): Record<string, unknown> => ({
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
  const gone = (): Promise<void> => site.reset();

  test("an image without a record is not changed", async () => {
    await on("hv2", `mkdir -p /var/lib/microvms/kw4; echo foreign > ${image}`);
    await site.set(kw4({ onDelete: "delete" }));
    expect(await failingUp()).toMatch(/exists, and no stack recorded making it/);
    expect(await on("hv2", `cat ${image}`)).toBe("foreign");
    await on("hv2", `rm ${image}`);
  });

  test("onDelete: delete removes it", async () => {
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    expect(await on("hv2", `blkid -o value -s TYPE ${image}`)).toBe("ext4");
    await gone();
    await up();
    expect(await on("hv2", `ls ${image} 2>&1 || true`)).toMatch(/No such file/);
  });

  test("onDelete: trash can be undone by hand", async () => {
    await site.set(kw4({ onDelete: "trash" }));
    await up();
    const uuid = await on("hv2", `blkid -o value -s UUID ${image}`);
    await gone();
    await up();
    await on(
      "hv2",
      `cd /var/lib/pulumi-microvm/trash && mkdir -p $(dirname ${image}) && ` +
        `mv kw4.data-*.img ${image} && mv kw4.data-*.json ../volumes/kw4.data.json`,
    );
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    expect(await on("hv2", `blkid -o value -s UUID ${image}`)).toBe(uuid);
    await gone();
    await up();
    await expectNoChanges();
  });

  test("a lost record is written again, and the image is not changed", async () => {
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    const uuid = await on("hv2", `blkid -o value -s UUID ${image}`);
    await on("hv2", "rm /var/lib/pulumi-microvm/volumes/kw4.data.json");
    await up();
    expect(await on("hv2", `blkid -o value -s UUID ${image}`)).toBe(uuid);
    await expectNoChanges();
  });

  test("an image with unexpected content is not formatted", async () => {
    await site.set(kw4({ onDelete: "delete" }));
    await up();
    await on(
      "hv2",
      `dd if=/dev/zero of=${image} bs=1M count=1 conv=notrunc 2>/dev/null; ` +
        `sed -i 's/"phase":"ready"/"phase":"growing"/' ` +
        `/var/lib/pulumi-microvm/volumes/kw4.data.json`,
    );
    const before = await on("hv2", `cksum < ${image}`);
    expect(await failingUp()).toMatch(/it is never formatted again/);
    expect(await on("hv2", `cksum < ${image}`)).toBe(before);
    await gone();
    await up();
  });
});
