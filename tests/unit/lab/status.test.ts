import { columns } from "../../../lab/status";

test("a long name does not run into the next column", () => {
  const text = columns([
    ["hv1", "hypervisor", "198.18.0.11", "running"],
    ["  a-worker-with-a-long-name", "VM", "198.18.0.121", "activating"],
  ]);
  expect(text).toBe(
    [
      "hv1                          hypervisor  198.18.0.11   running\n",
      "  a-worker-with-a-long-name  VM          198.18.0.121  activating\n",
    ].join(""),
  );
});

test("a line has no spaces at its end", () => {
  expect(
    columns([
      ["hv1", ""],
      ["hv2", "running"],
    ]),
  ).toBe("hv1\nhv2  running\n");
});
