export { recall } from './recall.ts';
export type { Recall } from './recall.ts';
export type { Report } from './report.ts';
export { rebuild, startTeam } from './team.ts';
export type { Progress, Team, TeamOptions, TeamResult } from './team.ts';
