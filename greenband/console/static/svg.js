// The few elements that the drawings are made of.

const SPACE = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, ...children) {
  const found = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...children);
  return found;
}

export function drawing(width, height, label) {
  return element("svg", {
    viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": label,
  });
}

export function path(points) {
  return "M" + points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
}

// A line moved to its right, so that both directions of a street can be seen.
export function beside(points, by) {
  return points.map(([x, y], k) => {
    const [x0, y0] = points[Math.max(0, k - 1)];
    const [x1, y1] = points[Math.min(points.length - 1, k + 1)];
    const length = Math.hypot(x1 - x0, y1 - y0) || 1;
    return [x - (y1 - y0) / length * by, y + (x1 - x0) / length * by];
  });
}
