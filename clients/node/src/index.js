export { Ledger } from "./ledger.js";
export { currentTurn } from "./turn.js";
export * from "./errors.js";
