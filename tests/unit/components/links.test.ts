/** Links in a project to trees that Pulumi's language host would read in each pass. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { treesBehindLinks } from "../../../components/links";

const root = mkdtempSync(join(tmpdir(), "pulumi-microvm-links-"));
const project = join(root, "project");
const big = join(root, "big");
const BIG = 40;

function fill(directory: string, files: number): void {
  mkdirSync(directory, { recursive: true });
  for (let file = 0; file < files; file += 1) writeFileSync(join(directory, `f${file}`), "");
}

function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

beforeEach(() => {
  fill(join(big, "lib"), BIG);
  fill(project, 3);
});
afterEach(() => rmSync(root, { recursive: true }));

const found = (): string[] => treesBehindLinks(project, BIG).map(({ link: path }) => path);

test("a result of Nix is found, with its target", () => {
  link(big, join(project, "result"));
  expect(treesBehindLinks(project, BIG)).toEqual([{ link: "result", target: big }]);
});

test("a link to a link, and one deeper in the project, are found", () => {
  link(big, join(root, "generation"));
  link(join(root, "generation"), join(project, ".direnv", "flake-inputs", "nixpkgs"));
  expect(found()).toEqual([".direnv/flake-inputs/nixpkgs"]);
});

test("a small tree that links to a big one counts as big, as the host follows links", () => {
  link(big, join(root, "small", "share"));
  link(join(root, "small"), join(project, "result"));
  expect(found()).toEqual(["result"]);
});

test("nothing else is reported", () => {
  fill(join(root, "small"), BIG - 10);
  link(join(root, "small"), join(project, "small"));
  link(join(root, "absent"), join(project, "dangling"));
  link(join(project, "f0"), join(project, "file"));
  link(project, join(project, "loop"));
  fill(join(project, "own"), 2 * BIG);
  link(join(project, "own"), join(project, "inside"));
  link(big, join(project, "node_modules", "linked-package"));
  expect(found()).toEqual([]);
});
