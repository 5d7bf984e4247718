"""How strangers say it: ten wordings of every kind of task, and notes, for the last word on a checkpoint.

Written as ten people would speak, by somebody who had seen four examples of each kind and nothing else, while the last
training ran; nothing was chosen by them. Never trained on: `evaluate.py --words unseen` and `--note-words unseen` ask
in these. `{o}` and the like are as in `words.py`.
"""

TASKS = {
    "push": """quick, nudge {o} {n} cm {w}|could you please slide {o} {w} a little, about {n} cm, dear
        |can you push {o} {w}? like {n} cm|displace {o} by exactly {n} cm {w}
        |please you push {o} {w}, {n} cm only
        |and now, my friend, let us see you slide {o} {n} cm {w}
        |just shove {o} {w} like {n} cm|slide {o} {w} {n} cm, mate
        |please move {o} {n} cm {w} for me|i want {o} shifted {w} by {n} cm""",
    "fetch": """grab {o} quick|would you be so kind and pick up {o} for me
        |can you get {o} for me please please|grasp {o} and lift it
        |please you take {o} in hand|all right, show everybody how nicely you can pick up {o}
        |just grab {o} already|lift {o} up for me, mate|take hold of {o}, please
        |get hold of {o} and pick it up""",
    "put": """{o} {t}, quick|would you kindly put {o} {t}, dear|can you put {o} {t} please|transfer {o} {t}
        |please you bring {o} {t}|so now, robot, why don't you carry {o} {t} for our guests
        |yeah just stick {o} {t}|drop {o} {t}, mate|i would like {o} moved {t}, please
        |get {o} {t}, now""",
    "pair": """{o} and {p}, both {t}, quick|would you please put both {o} and {p} {t}, dear
        |can you put {o} and also {p} {t} please|transfer {o} as well as {p} {t}
        |please you bring {o} {t} and {p} same place
        |now for something harder, carry {o} and {p} {t}, both of them
        |just stick {o} and {p} {t}|{o} goes {t}, and so does {p}
        |i need {o} and {p} moved {t}, please|get both {o} and {p} {t}""",
    "stack": """{o} on top of {p}, quick|would you please set {o} on top of {p}, dear
        |can you make a tower with {o} on {p}|place {o} on the upper face of {p}
        |please you put {o} over the top of {p}
        |ladies and gentlemen, watch him put {o} right on top of {p}|just stick {o} on {p}
        |load {o} on top of {p}|i would like {o} placed on {p}, please|get {o} up on {p}""",
    "clear": """clear the whole table, all of it {t}, quick
        |would you please tidy the table, dear, and put everything {t}
        |can you clean up the table and put all the stuff {t}
        |remove every object from the table and place it {t}
        |please you take all things from table and put {t}
        |the table is a bit of a mess, so let us put everything that is on it {t}
        |just dump everything on the table {t}|empty the table, the lot goes {t}
        |i need the table cleared, please put everything {t}
        |i want this table empty, everything {t}""",
    "sort": """sorting now, {a} {t}, {b} {u}|would you please put the {a} {t}, dear, and then the {b} {u}
        |can you sort it, the {a} go {t} and the {b} go {u}|sort as follows: {a} {t}, {b} {u}
        |please you make order, {a} {t} and {b} {u}
        |now he will sort for us, with the {a} going {t} and the {b} going {u}
        |just sort that stuff, {a} {t}, {b} {u}|split the load, {a} {t} and {b} {u}
        |please separate them for me, {a} {t} and {b} {u}
        |get this sorted: the {a} {t}, the {b} {u}""",
    "all_of": """all the {a} {t}, quick|would you please gather all the {a} and put them {t}, dear
        |can you put all of the {a} {t} please|transfer every one of the {a} {t}
        |please you bring all {a} {t}
        |and now let us have all of the {a} moved {t}, every single one
        |just chuck all the {a} {t}|ship all {a} {t}|i need all of the {a} placed {t}, please
        |get every last one of the {a} {t}""",
    "count": """number of {a}, quick|could you please tell me how many {a} there are, dear
        |can you count all the {a} for me?|report the total number of {a}
        |how much {a} is here, please?|tell our guests, how many {a} do you see here?
        |so how many {a} we got?|how many {a} have we got in total?
        |please count the {a} for me|i need to know how many {a} we have""",
    "count_tray": """{p}, how many in there?|could you please tell me how many things there are in the {p}, dear
        |how many things did they put in the {p}?|report the number of objects in the {p}
        |how much things is inside the {p}, please?
        |and now tell us, how many objects do you count inside the {p}?
        |how much stuff is in the {p}?|how many pieces have we got in the {p}?
        |please count what is in the {p}|give me a count of everything in the {p}""",
    "where": """location of {o}, quick|could you please tell me where {o} is, dear, i cannot find it
        |where did {o} go?|report the position of {o}|please, where is {o} now?
        |so tell our audience, where do you see {o}?|where's {o} at?|where have we got {o}?
        |can you tell me where {o} is, please?|i am looking for {o}, where is it?""",
    "moved": """what moved? quick|could you please tell me what somebody has moved, dear
        |did somebody move something? what was it?
        |identify the object whose position has changed|please, which thing is moved?
        |somebody played a trick on you, so which object did they move?|so what got moved?
        |which piece got shifted?
        |please tell me which object is no longer where it was on the table
        |somebody shifted something here, tell me which one""",
    "put_back": """moved part back, quick|would you please put back what was moved, dear, just where it was
        |can you put the thing they moved back where it was
        |return the displaced object to its previous position
        |please you put moved thing back to old place
        |and now bring the thing that was moved back to where it was before
        |just put it back where it was before
        |whatever got shifted, put it back in its old spot
        |please return the object that was moved to its original place
        |i want that moved piece back where it was""",
    "gone": """what's missing? quick|could you please tell me what has gone missing, dear
        |what did somebody take away?|identify the object that is no longer present
        |please, which thing is not here any more?
        |somebody has stolen something from the table, can you say what it is?|so what's gone?
        |which piece are we missing?|please tell me what has been removed
        |something was here before and is gone, which one is it?""",
    "new": """what's new? quick|could you please tell me what has come new onto the table, dear
        |what new thing is there?|identify the object that was not present before
        |please, which thing is new here?
        |we have added a little surprise, so which object is the new one?
        |so what's the new thing?|which piece just came in new?
        |please tell me which object has been added
        |somebody put something new here, which one is it?""",
    "edit_target": """wrong place, {p}|oh sorry, dear, i would rather have it {t}|no no, i want it {t}
        |change the destination to {p}|sorry, not there, please {t}
        |ah, wait, let us choose {p} instead|nah, make it {p}|wrong spot, it goes {t}
        |i would prefer {p}, please|no, not there, it has to go {t}""",
    "edit_object": """wrong one, {p}, not {o}|oh sorry, dear, i meant {p} and not {o}|no no, i want {p}, not {o}
        |replace {o} with {p}|sorry, i say wrong, not {o}, please {p}
        |ah, wait, let us take {p} instead of {o}|nah, {p}, not {o}
        |wrong piece, forget {o}, it should be {p}|i would prefer {p} instead of {o}, please
        |it is {p} i want, not {o}""",
    "edit_drop": """skip {o}|please leave {o} alone this time, dear|no, not {o}, leave that one there
        |remove {o} from the plan|please, {o} not move, it stay there
        |ah, but let us leave {o} out of it|nah, forget about {o}|{o} stays where it is
        |please leave out {o}|i do not want {o} moved, leave it""",
    "edit_order": """reverse it, last one first|please do it the other way round, dear, with the last one first
        |do the last one first and the first one last|execute the steps in reverse order
        |please, first the last, and last the first
        |ah, let us do it backwards, starting with the last one|nah, do it backwards
        |turn the order around, last one goes first|please go in the opposite order
        |flip the order, i want the last one done first""",
    "edit_add": """plus {o}|oh, and please take {o} as well, dear|and {o}, i want that one too
        |include {o} in the plan|please, {o} also
        |ah, and while we are at it, let us add {o} as well|oh yeah, and {o}
        |throw in {o} as well|please include {o} as well|{o} goes along with it, too""",
    "go_on": """next, quick|you may go on now, dear|keep going|proceed with the next step
        |please you continue now|wonderful, so let us carry on|yeah, go on then
        |keep it moving, mate|please proceed|get on with it""",
    "cannot": """solder {o} for me, quick|would you please knit me a pair of socks, dear|please please eat {o}
        |heat {o} to eighty degrees|please you call taxi for me
        |and now sing a song for our guests|just do my homework for me
        |drive the forklift to the gate|please sterilise {o} with alcohol|saw {o} in half""",
}
NOTES = {
    "broken": """gripper's dead|i am afraid your poor arm is broken, dear
        |your hand is broken, it can't hold anything
        |the gripper motor has failed and must not be used|gripper not work, is broken
        |sadly the arm has broken down, so we cannot use it today|the gripper's totally busted
        |the arm is out of order, mate|the gripper is damaged and cannot be used
        |the arm is down, nobody uses it|your gripper cannot close any more
        |the arm motor has burnt out""",
    "works": """gripper's fixed|your arm is all right again, dear, you can use it
        |the gripper is back in operation and may be used|arm is good now, work again
        |the gripper's fine again|the arm is repaired and ready for use""",
    "hands_off": """hands off {o}|please be so good and do not touch {o}, dear|you are not allowed to touch {o}
        |{o} must not be moved under any circumstances|please, no touch {o}
        |i have to ask everybody, our robot too, to keep their hands off {o}
        |don't mess with {o}, just leave it alone|{o} stays put, nobody shifts it
        |please do not handle {o}|nobody lays a hand on {o}|{o} is not to be touched by anyone
        |you must leave {o} exactly where it is""",
    "closed": """{p} is off limits, nothing in there|please do not put anything into {p}, dear
        |you can't put stuff in {p}, it's closed|{p} must not receive any further objects
        |please, nothing put in {p}|as of now {p} is closed, so nothing more goes in
        |{p} is full up, don't put anything in it|no more loads into {p}
        |nothing may be placed in {p}, please|i want nothing put into {p}
        |{p} is shut until further notice|there is no room left in {p}""",
    "near": """gripper got new pads today|what a lovely shiny arm you have, dear
        |the gripper looks like a crab|the arm has six joints and was calibrated this morning
        |new gripper is very strong|our arm was built by two students in one summer
        |{o} was a present from my grandson, dear|{o} is my favourite
        |{o} weighs about forty grams|{o} is very beautiful
        |{o} came in with the morning delivery|{o} was washed this morning
        |{p} was a bargain, dear|{p} is made of plastic|{p} has still plenty of room
        |{p} came from the other workshop""",
    "neutral": """the printer on the second floor is broken|my grandson is coming to visit on sunday, dear
        |i have a dog and he is called bruno|the room temperature is {n} degrees
        |today my bus was late|we have {n} guests in the audience today
        |i've got a maths test tomorrow|the next truck comes in {n} minutes
        |the patient in room {n} is feeling better|the crew starts at six tomorrow
        |lunch is at noon in the canteen|nobody may park in front of the gate""",
}
