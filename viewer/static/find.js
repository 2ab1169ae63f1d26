// Keys of what was found: j and k move.

import { moveWithKeys } from "./row_keys.js";

moveWithKeys([...document.querySelectorAll(".found .row-link")], (link) => link.focus());
