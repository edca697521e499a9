import { parseFacts } from "../../../provider/hosts/facts/hostFacts";

const lines = [
  "machine-id\t0123456789abcdef0123456789abcdef",
  "hostname\thv1",
  "clock\t1000",
  "memory-kib\t8388608",
  "file-system\t/dev/sda1\t/\t1048576",
  "kvm\tdevice",
  "libvirtd\tactive\tactive",
  "libvirtd\tanswers\tyes",
  "bridge\tbr0\tup\t eno1 tap1",
  "unit\tmicrovm@.service\tinstalled",
  "nix\tversion\tnix (Nix) 2.8.0",
  "nix\tflakes\tyes",
  "link\tkc1/current\t/nix/store/a",
  "link\tkc1/booted\t/nix/store/b",
  "active\tmicrovm@kc1.service\tactive",
  "hostkey\tkc1\tssh-ed25519 AAAA root@kc1",
  "autostart\tkc1",
  "record\tvms\tkc1\t{}",
  "image\t/var/lib/microvms/kc1/var.img\t67108864\t2048",
  "closure\tkc1/runner\t/nix/store/a",
  "closure\tkc1/toplevel\t/nix/store/t",
  "invalid\t/nix/store/t",
  "probed",
];

describe("parseFacts", () => {
  test("parses the output of the probe", () => {
    const facts = parseFacts("hv1", lines, 1001);
    expect(facts.bridges?.get("br0")).toEqual({ up: true, ports: ["eno1", "tap1"] });
    expect(facts.vms.get("kc1")).toEqual({
      current: "/nix/store/a",
      booted: "/nix/store/b",
      hasFlake: false,
      active: "active",
      hostKey: "ssh-ed25519 AAAA",
      autostart: true,
      memoryPending: false,
    });
    expect(facts.images.get("/var/lib/microvms/kc1/var.img")).toEqual({
      sizeBytes: 67108864,
      allocatedBytes: 1048576,
    });
    expect(facts.closures?.get("kc1")).toEqual({ runner: "/nix/store/a" });
    expect(facts.libvirtdAnswers && facts.nixFlakes).toBe(true);
  });

  test("are undefined, not empty, if the host did not respond", () => {
    const facts = parseFacts("hv1", lines, 0);
    expect(facts.libvirtdActive).toBe("active");
    expect(facts.units?.get("microvm@.service")).toBe("installed");
    const silent = ["libvirtd", "units", "bridges", "closures"].map((what) => `silent\t${what}`);
    expect(parseFacts("hv1", [...silent, ...lines], 0)).toMatchObject({
      libvirtdActive: undefined,
      units: undefined,
      bridges: undefined,
      closures: undefined,
    });
  });

  test("list a file system for each of its mount points", () => {
    const more = "file-system\t/dev/sdb1\t/data/a b\t5";
    expect(parseFacts("hv1", [more, ...lines], 0).fileSystems).toEqual([
      { device: "/dev/sdb1", mountPoint: "/data/a b", freeKiB: 5 },
      { device: "/dev/sda1", mountPoint: "/", freeKiB: 1048576 },
    ]);
  });

  test("contain what blkid found in an image, if it could read it", () => {
    const path = "/var/lib/microvms/kc1/var.img";
    const of = (...more: string[]): unknown =>
      parseFacts("hv1", [...more, ...lines], 0).images.get(path)?.content;
    expect(of()).toBeUndefined();
    expect(of("blkid\tlooked")).toEqual({ fsType: "", label: "" });
    expect(of("blkid\tlooked", `content\t${path}\text4\tkc1-var`)).toEqual({
      fsType: "ext4",
      label: "kc1-var",
    });
  });

  test("omit a link that vanished during the probe", () => {
    const gone = parseFacts("hv1", ["link\tkc1/old\t", ...lines], 0);
    expect(gone.vms.get("kc1")).not.toHaveProperty("old");
  });

  describe("a memory target", () => {
    const target = "memory-target\tkc1\t192";
    const pending = (...more: string[]): boolean | undefined =>
      parseFacts("hv1", [...more, "invocation\tmicrovm@kc1.service\tabc", ...lines], 0).vms.get(
        "kc1",
      )?.memoryPending;

    test("is pending until the running VMM has received it", () => {
      expect(pending(target)).toBe(true);
      expect(pending(target, "memory-told\tkc1\tabc 128")).toBe(true);
      expect(pending(target, "memory-told\tkc1\tdef 192")).toBe(true);
      expect(pending(target, "memory-told\tkc1\tabc 192")).toBe(false);
    });

    test("that was removed is pending until the guest has all of its memory again", () => {
      expect(pending("memory-told\tkc1\tabc 192")).toBe(true);
      expect(pending("memory-told\tkc1\tabc all")).toBe(false);
      expect(pending("memory-told\tkc1\tdef 192")).toBe(false);
      expect(pending()).toBe(false);
    });

    test("of a stopped VM is not pending", () => {
      const stopped = lines.map((line) =>
        line.replace("kc1.service\tactive", "kc1.service\tinactive"),
      );
      const vm = parseFacts("hv1", [target, ...stopped], 0).vms.get("kc1");
      expect(vm).toMatchObject({ memoryTargetMiB: 192, memoryPending: false });
    });
  });

  describe("the system of a running VM", () => {
    const runs = (...more: string[]) => parseFacts("hv1", [...more, ...lines], 0).vms.get("kc1");
    const said = "guest-system\tkc1\t500\t/nix/store/system";

    test("is the one that the guest reported since its start", () => {
      const started = (seconds: number): string => `started\tmicrovm@kc1.service\t${seconds}`;
      expect(runs(said, started(499))?.guestSystem).toBe("/nix/store/system");
      expect(runs(said, started(501))?.guestSystem).toBeUndefined();
      expect(runs(said)?.guestSystem).toBeUndefined();
    });

    test("has the hardware of the runner that the VM was started with", () => {
      const vm = runs("hardware\tkc1\t/nix/store/b\tbooted", "hardware\tkc1\t/nix/store/a\tnew");
      expect(vm).toMatchObject({ bootedHardware: "booted", currentHardware: "new" });
      expect(runs("hardware\tkc1\t/nix/store/c\tnew")?.bootedHardware).toBeUndefined();
    });

    test("is at the address that was recorded for that system", () => {
      const [here, there] = ["system\t192.0.2.1\tkc1", "other\t192.0.2.2\t-"].map(
        (line) => `guest\tkc1\t/nix/store/${line}`,
      );
      const all = [said, `started\tmicrovm@kc1.service\t499`, here ?? "", there ?? ""];
      expect(runs(...all)).toMatchObject({ guestAddress: "192.0.2.1", guestHostName: "kc1" });
      const other = all.map((line) => line.replace(/^(guest-system.*)system$/, "$1other"));
      expect(runs(...other)?.guestAddress).toBe("192.0.2.2");
      expect(runs(...other)).not.toHaveProperty("guestHostName");
      expect(runs(...all.slice(0, 2))).not.toHaveProperty("guestAddress");
    });

    test("has taps, a VMM with a control socket and a balloon where the probe says so", () => {
      const found = ["tap\tkc1\tvm-kc1\tup", "tap\tkc1\tb\tmissing", "vmm\tkc1\tqemu"];
      expect(runs(...found, "balloon\tkc1", "tap\tkc9\tvm-kc9\tup")).toMatchObject({
        taps: [
          { name: "vm-kc1", link: "up" },
          { name: "b", link: "missing" },
        ],
        vmm: "qemu",
        hasBalloon: true,
      });
    });
  });

  test("a truncated answer is an error, never an empty host", () => {
    for (let length = 0; length < lines.length; length++) {
      expect(() => parseFacts("hv1", lines.slice(0, length), 0)).toThrow("not whole");
    }
  });
});
