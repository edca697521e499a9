/**
 * How long the suite waits, in seconds. The stand-in gets variables that shorten k0s's own waits
 * (lab/k0s/main.go). A real k0s ignores them.
 */
export interface Limits {
  /** From the start of a controller until it answers. A join includes the promotion. */
  ready: number;
  join: number;
  /** From spec.leave until the condition Joined is False. */
  leave: number;
  /** How long a removed member is watched that must not get ready. */
  removed: number;
  stop: number;
  /** A dead member is removed this long after the last renewal of its lease, and not before. */
  deadMember: number;
  /** More than that, for the leader's next look. */
  deadMemberSlack: number;
  node: number;
}

export const REAL: Limits = {
  ready: 120,
  join: 240,
  leave: 60,
  removed: 30,
  stop: 60,
  deadMember: 300,
  deadMemberSlack: 60,
  node: 120,
};

export const STAND_IN: Limits = {
  ...REAL,
  removed: 5,
  deadMember: 15,
};

export const STAND_IN_ENVIRONMENT = {
  LAB_K0S_RESYNC_SECONDS: "1",
  LAB_K0S_LEASE_SECONDS: "8",
  LAB_K0S_DEAD_MEMBER_SECONDS: String(STAND_IN.deadMember),
};
