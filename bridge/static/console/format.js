// Numbers as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** Return a number and its unit. */
export function parts(value, unit = "") {
  if (value === null || value === undefined) return ["–", ""];
  if (unit === "bytes") {
    const power = value < 1 ? 0 : Math.min(4, Math.floor(Math.log(value) / Math.log(1024)));
    return [digits(value / 1024 ** power), ["B", "KiB", "MiB", "GiB", "TiB"][power]];
  }
  if (unit === "ms" && value >= 1000) return [digits(value / 1000), "s"];
  return [digits(value), unit];
}

/** Return a number with its unit as one text. */
export function text(value, unit = "") {
  const [number, of] = parts(value, unit);
  return of.startsWith("/") ? `${number}${of}` : `${number} ${of}`.trim();
}

function digits(value) {
  if (value === 0) return "0";
  if (value >= 100000) return `${digits(value / 1000)}k`;
  if (value >= 100) return whole.format(value);
  return String(Number(value.toPrecision(value >= 10 ? 3 : 2)));
}
