/** A Nix evaluation takes a tenth of a second, but much longer while the lab uses the machine. */
jest.setTimeout(60_000);
