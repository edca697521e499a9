/** Releases of the lab's programs: a file without its published checksum never counts. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError, download, parseSum } from "../../../lab/kubernetes/download";
import { SOURCES, type Source } from "../../../lab/kubernetes/programs";

const scratch = mkdtempSync(join(tmpdir(), "pulumi-microvm-download-"));
const files: { [path: string]: string } = {};
let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const content = files[request.url ?? ""];
    response.statusCode = content === undefined ? 404 : 200;
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = isBound(address) ? address.port : 0;
  base = `http://127.0.0.1:${port}`;
});

afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(scratch, { recursive: true });
});

const isBound = (address: string | AddressInfo | null): address is AddressInfo =>
  address !== null && typeof address !== "string";

const sumOf = (text: string): string => createHash("sha256").update(text).digest("hex");

function source(): Source {
  const etcd = SOURCES[0];
  if (etcd === undefined) throw new Error("no source");
  return {
    ...etcd,
    programs: ["one", "two"],
    release: {
      kind: "files",
      url: (program) => `${base}/${program}`,
      sumUrl: (program) => `${base}/${program}.sha256`,
    },
  };
}

test("programs with their checksums are installed, executable", async () => {
  for (const name of ["one", "two"]) {
    files[`/${name}`] = name;
    files[`/${name}.sha256`] = sumOf(name);
  }
  const target = join(scratch, "good");
  await download(source(), target);
  expect(readFileSync(join(target, "two"), "utf8")).toBe("two");
  expect(statSync(join(target, "one")).mode & 0o777).toBe(0o755);
});

test("another checksum is an error, and the file is not kept", async () => {
  files["/one"] = "something else";
  const target = join(scratch, "bad");
  await expect(download(source(), target)).rejects.toThrow(/the SHA-256 is .* is published/);
  expect(existsSync(join(target, "one"))).toBe(false);
});

test.each([
  ["no checksum is published", { "/one": "one" }],
  ["the checksum is not one", { "/one": "one", "/one.sha256": "<html>" }],
])("the release is unavailable where %s", async (_, there) => {
  for (const path of Object.keys(files)) Reflect.deleteProperty(files, path);
  Object.assign(files, there);
  await expect(download(source(), join(scratch, "none"))).rejects.toThrow(UnavailableError);
});

test("the release is unavailable where nothing answers", async () => {
  const unreachable = source();
  unreachable.release = {
    kind: "archive",
    url: "http://127.0.0.1:1/a.tar.gz",
    sumsUrl: "http://127.0.0.1:1/S",
  };
  await expect(download(unreachable, join(scratch, "none"))).rejects.toThrow(UnavailableError);
});

test("the checksum of a file in a list is its own", () => {
  const [a, b] = [sumOf("a"), sumOf("b")];
  expect(parseSum(`${a}  a.tar.gz\n${b} *b.tar.gz\n`, "b.tar.gz")).toBe(b);
  expect(() => parseSum(`${a}  a.tar.gz\n`, "c.tar.gz")).toThrow(UnavailableError);
});
