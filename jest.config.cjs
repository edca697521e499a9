/** Unit and gRPC tests need nothing but Node; tests/nix needs `nix`, tests/lab the lab, which installs it (lab/run). */
const transform = {
  "^.+\\.ts$": [
    "@swc/jest",
    { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
  ],
};
const project = (name, more = {}) => ({
  displayName: name,
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  transform,
  testEnvironment: "node",
  modulePathIgnorePatterns: ["<rootDir>/bin"],
  ...more,
});
module.exports = {
  testSequencer: "<rootDir>/tests/sequencer.mjs",
  projects: [
    project("unit"),
    project("scripts"),
    project("grpc", { setupFilesAfterEnv: ["<rootDir>/tests/grpc/setup.ts"] }),
    project("nix", { setupFilesAfterEnv: ["<rootDir>/tests/nix/setup.ts"] }),
    project("lab", { setupFilesAfterEnv: ["<rootDir>/tests/lab/setup.ts"] }),
  ],
};
