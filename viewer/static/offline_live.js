// In place of answer.js and follow.js, in a page that was exported: nothing is sent, and nothing new comes.

export function follow() {}
