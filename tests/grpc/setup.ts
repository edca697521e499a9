// Plugin processes and key exchanges share a slow machine with other work.
jest.setTimeout(60_000);
