export { audit } from './audit.ts';
export type { Audit } from './audit.ts';
export { createChaos } from './chaos.ts';
export type { Chaos, Kills, Way } from './chaos.ts';
export { teamEvents } from './events.ts';
export type { TeamBus } from './events.ts';
export type { Report } from './report.ts';
export { startTeam } from './team.ts';
export type { Progress, Team, TeamOptions, TeamResult } from './team.ts';
