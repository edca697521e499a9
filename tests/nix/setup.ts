/** A Nix evaluation takes a tenth of a second, and much longer on a machine that is busy with the lab. */
jest.setTimeout(60_000);
