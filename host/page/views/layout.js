// Where the components of a graph stand: columns from left to right, few crossings. Nothing here
// touches the page.

export const WIDTH = 224;
export const HEIGHT = 104;
const GAP_X = 76;
const GAP_Y = 22;
const MARGIN = 14;
/** Room that an edge takes which passes a column. */
const LANE = 16;
const SWEEPS = 6;

/**
 * Places of the nodes by id, lines of the edges as points, and the size of all. Sources stand left,
 * sinks right, everything else as far left as its inputs let it.
 */
export function layout(components, edges) {
  const known = edges.filter((edge) => [edge.from, edge.to].every((id) => components.some((it) => it.id === id)));
  const column = columnsOf(components, known);
  const width = Math.max(0, ...column.values()) + 1;
  const columns = Array.from({ length: width }, () => []);
  for (const it of components) columns[column.get(it.id)].push({ id: it.id, height: HEIGHT, left: [], right: [] });
  const find = (id) => columns[column.get(id)].find((slot) => slot.id === id);
  const chains = known.map((edge) => chain(edge, column, columns, find));
  order(columns);
  const height = place(columns);
  const at = (slot, right) => ({ x: slot.x + (right ? WIDTH : 0), y: slot.y + slot.height / 2 });
  return {
    width: MARGIN * 2 + width * WIDTH + (width - 1) * GAP_X,
    height: height + MARGIN * 2,
    nodes: new Map(columns.flat().filter((slot) => slot.id).map(({ id, x, y }) => [id, { x, y }])),
    edges: chains.map(({ from, to, slots }) => ({
      from,
      to,
      points: slots.flatMap((slot, index) => [
        ...(index > 0 ? [at(slot, false)] : []),
        ...(index < slots.length - 1 ? [at(slot, true)] : []),
      ]),
    })),
  };
}

function columnsOf(components, edges) {
  const column = new Map(components.map(({ id }) => [id, 0]));
  // a pipeline has no circles; should one be told of, it ends all the same
  for (let round = 0; round < components.length; round += 1) {
    for (const { from, to } of edges) {
      const next = column.get(from) + 1;
      if (next > column.get(to) && next < components.length) column.set(to, next);
    }
  }
  const last = Math.max(0, ...column.values());
  for (const { id, kind } of components) {
    if (kind === 'sink') column.set(id, last);
  }
  return column;
}

/** The slots that an edge goes through: its ends, and lanes in the columns between them. */
function chain({ from, to }, column, columns, find) {
  const slots = [find(from)];
  for (let at = column.get(from) + 1; at < column.get(to); at += 1) {
    const lane = { id: null, height: LANE, left: [], right: [] };
    columns[at].push(lane);
    slots.push(lane);
  }
  slots.push(find(to));
  slots.slice(1).forEach((slot, index) => {
    slot.left.push(slots[index]);
    slots[index].right.push(slot);
  });
  return { from, to, slots };
}

/** Puts every slot at the mean place of its neighbours, from left to right and back. */
function order(columns) {
  const number = () => columns.forEach((slots) => slots.forEach((slot, index) => { slot.index = index; }));
  number();
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const side = sweep % 2 === 0 ? 'left' : 'right';
    for (const slots of side === 'left' ? columns : [...columns].reverse()) {
      const wish = (slot) => {
        const others = slot[side];
        return others.length ? others.reduce((sum, it) => sum + it.index, 0) / others.length : slot.index;
      };
      const wishes = new Map(slots.map((slot) => [slot, wish(slot)]));
      slots.sort((a, b) => wishes.get(a) - wishes.get(b) || a.index - b.index);
      slots.forEach((slot, index) => { slot.index = index; });
    }
  }
}

/** Gives every slot its place; columns are centred. The height of the highest one. */
function place(columns) {
  const heights = columns.map((slots) => slots.reduce((sum, slot) => sum + slot.height + GAP_Y, -GAP_Y));
  const height = Math.max(HEIGHT, ...heights);
  columns.forEach((slots, column) => {
    let y = MARGIN + (height - heights[column]) / 2;
    for (const slot of slots) {
      slot.x = MARGIN + column * (WIDTH + GAP_X);
      slot.y = y;
      y += slot.height + GAP_Y;
    }
  });
  return height;
}

/** A line through points, flat at its ends. */
export function path(points) {
  const [first, ...rest] = points;
  let line = `M${first.x} ${first.y}`;
  let before = first;
  for (const point of rest) {
    const bend = (point.x - before.x) / 2;
    line += point.y === before.y
      ? `L${point.x} ${point.y}`
      : `C${before.x + bend} ${before.y} ${point.x - bend} ${point.y} ${point.x} ${point.y}`;
    before = point;
  }
  return line;
}
