"""A few questions and texts of our own, on which weight types are compared: one text answers each question."""

from __future__ import annotations

QUESTIONS = (
    "how do I repair a flat bicycle tyre",
    "Why does bread dough rise overnight?",
    "The pendulum clock in the hall loses a minute a day in summer.",
)

TEXTS = (
    "Lift the wheel out, lever the tyre off the rim and pull out the inner tube. Find the hole by listening for "
    "the air, roughen the rubber around it and glue a patch over it. Check the tyre for thorns before you put it "
    "back.",
    "Yeast eats the sugar in the flour and gives off gas. The gluten of the dough holds the bubbles, so that it "
    "grows to twice its size while it stands. In the cold this takes all night, and the taste is better for it.",
    "A brass rod grows longer when it is warm, and a longer pendulum swings more slowly. Turn the nut below the "
    "bob to the right to lift it a little; one turn is worth about half a minute a day.",
    "Tomato plants want sun, support and regular water. Pinch out the side shoots in June and keep the leaves "
    "dry, for blight spreads in wet foliage. The first fruit ripens some seventy days after planting.",
    "The ferry leaves from the north quay at seven, ten and four. Bicycles travel free, dogs on a lead are "
    "welcome, and tickets bought on board cost a little more than those from the machine at the gate.",
    "Members elect the board for two years at the spring meeting. A vote needs a third of all members in the "
    "room; those who cannot come may name another member in writing, and nobody may speak for more than two.",
    "Stars look like short lines when the mount's axis does not point to the pole. Turn the knobs until the "
    "bright star stays on the cross for ten minutes, first with the telescope to the south, then to the east.",
    "The kettle's element is covered with lime after a year of hard water. Boil it with a cup of vinegar, leave "
    "it for an hour, and rinse it twice; a cracked seal should be replaced at the same time.",
    "Write the date, the weather and the names of those present on the first page. Photographs are kept for ten "
    "years in the grey cupboard, letters as long as the house stands.",
    "When two threads wait for each other's lock, neither goes on. Take locks in one fixed order everywhere, hold "
    "them for as short a time as you can, and give up after a while rather than wait for ever.",
    "A cough that lasts longer than three weeks should be looked at. Most are left over from a cold; some come "
    "from the stomach, from a medicine for the heart, or from the dust of the place of work.",
    "The lease ends on the last day of March. Either side may give notice three months before, in writing; the "
    "rooms are handed over swept, with all keys, and the deposit is paid back within six weeks.",
)
