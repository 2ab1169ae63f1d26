// Writes durations as agent_runs.times.duration_text does.

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

export function durationText(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [name, size] of UNITS) {
    if (rest >= size || parts.length > 0) { parts.push([Math.floor(rest / size), name]); rest %= size; }
  }
  return parts.slice(0, 2).filter(([count]) => count > 0).map((part) => part.join("")).join(" ");
}
