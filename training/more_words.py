"""More wordings to train on, written when the vocabulary was fixed: new words in them are spelt in pieces.

Written in the styles of many people by somebody who had seen four examples of each kind, and neither `words.HELD` nor
`other_words.py`; what stands there as well was left out.

Longer than most files: it is a list.
"""

TASKS = {
    "push": """give {o} a push {w} of {n} cm|nudge {o} {w}, about {n} cm|could you slide {o} {n} cm {w}?
        |{o} should go {n} cm {w}|slide {o} over {w} by {n} cm please|{n} cm {w} with {o}
        |please shove {o} {w}, {n} cm should do|kindly displace {o} by {n} cm {w}|can you scoot {o} {w} {n} cm?
        |i need {o} moved {n} cm {w}|take {o} and slide it {w} for {n} cm|{o}, {n} cm {w} please
        |would you mind pushing {o} {w} by {n} cm?""",
    "fetch": """please grasp {o}|could you pick {o} up for me?|i want you to hold {o}|{o}, pick it up
        |get hold of {o}|raise {o} off the table|i'd like {o} in the gripper
        |close the gripper around {o} and lift it|can you grab {o} please?|would you take hold of {o}?
        |pick {o} up and keep it|seize {o} and lift it up""",
    "put": """could you put {o} {t}?|please drop {o} {t}|{o} belongs {t}, please move it|would you carry {o} {t}?
        |bring {o} over {t}|i'd like you to lay {o} {t}|let's have {o} moved {t}|pick {o} up and set it down {t}
        |{o} should be placed {t}|kindly transfer {o} {t}""",
    "pair": """{o} and {p} both go {t}|could you put {o} as well as {p} {t}?|i want both {o} and {p} {t}
        |first {o}, then {p}, both {t}|please carry {o} together with {p} {t}|i'd like {o} and also {p} moved {t}
        |transfer both {o} and {p} {t}|drop {o} {t} and then {p} as well|{o} goes {t}, and so does {p}
        |would you lay {o} and {p} {t}, please?|move {o} {t}, and do the same with {p}
        |{o} should be placed {t} along with {p}""",
    "stack": """{o} goes on top of {p}|could you stack {o} onto {p}?|i want {o} to sit on {p}
        |please lay {o} on {p}|take {o} and put it onto {p}|{o} on {p}, please|lift {o} onto {p}
        |i'd like to see {o} standing on {p}|would you balance {o} on {p}?|pick up {o} and set it down on {p}
        |{o} should rest on top of {p}|kindly position {o} on top of {p}""",
    "clear": """could you clear everything off the table and put it {t}?|i want everything on the table moved {t}
        |take all the stuff on the table and put it {t}|make the table empty, all of it goes {t}
        |please get everything {t} so the table is free|empty the table, things go {t}
        |all objects {t}, i want the table clear|i need a clean table, move everything {t}
        |would you bring every single thing on the table {t}?|clear up, put it all {t}
        |whatever is on the table should go {t}|kindly remove all items from the table and place them {t}""",
    "sort": """could you sort the table so that the {a} go {t} and the {b} {u}?|i want the {a} {t} and the {b} {u}
        |separate them: the {a} {t}, the {b} {u}|please move the {a} {t} and then the {b} {u}
        |{a} {t}, {b} {u}, please|all the {a} should go {t}, all the {b} {u}|split things up, {a} {t} and {b} {u}
        |arrange everything by kind, the {a} {t} and the {b} {u}|the {a} belong {t} while the {b} belong {u}
        |sort out the mess: {a} {t} and {b} {u}|would you place the {a} {t} and the {b} {u}?
        |i'd like the {a} put {t}, but the {b} {u}|divide them up so the {a} end up {t} and the {b} {u}""",
    "all_of": """could you put all the {a} {t}?|i want every one of the {a} {t}|the {a} all go {t}
        |take all of the {a} and put them {t}|gather the {a} and bring them {t}|please carry all {a} {t}
        |all the {a} {t}, please|i'd like all the {a} to end up {t}|collect all {a} and drop them {t}
        |would you move each of the {a} {t}?|the {a}, put them all {t}|any {a} you find should go {t}
        |kindly transfer all {a} {t}""",
    "count": """can you count the {a} for me?|how many {a} do we have?|what number of {a} do you see?
        |i want to know how many {a} are here|please count all the {a}|how many of them are {a}?|{a}, how many?
        |count up all {a} please|could you say how many {a} lie there?|what is the total count of {a}?""",
    "count_tray": """tell me how many things are in the {p}|can you count what is in the {p}?
        |how many items does the {p} hold?|i want to know how many objects the {p} contains
        |please count everything in the {p}|give me the number of things in the {p}
        |what number of items is in the {p}?|in the {p}, how many things are there?
        |how much stuff is in the {p}, count it|could you tell me how many pieces lie in the {p}?
        |count up the things inside the {p}|how many objects can you see in the {p}?
        |the {p}, how many things are in it?""",
    "where": """please find {o} for me|i am looking for {o}, where is it?|what is the position of {o}?
        |could you locate {o}?|{o}, where is it?|i cannot find {o}, do you see it?|whereabouts is {o} right now?
        |any idea where {o} might be?|i want to know where {o} lies""",
    "moved": """did anything move?|has somebody moved something?|what did someone move?
        |i want to know which object was moved|can you tell what was shifted?|has any object changed its place?
        |what is in a different place now?|which one has been moved around?|say which thing got moved
        |did someone move an object, and which one?|what changed its position?|please find out what has moved
        |is something standing somewhere else than before?""",
    "put_back": """return the moved object to its old place|could you put the thing that was moved back?
        |i want the moved object back in its old spot|whatever was moved, put it back
        |move it back to where it came from|please restore the object to its previous position
        |bring back the thing that got moved|would you undo that move?
        |the object that was shifted should go back to its place|set it back in its original place
        |make it the way it was before it was moved|take what was moved and return it
        |someone moved something, please put it back|back to its old place with it""",
    "gone": """has anything disappeared?|what did someone take away?|which object is missing?
        |is something gone from the table?|tell me what is no longer there|can you tell what has been removed?
        |what is not here any more?|i want to know what is missing|did somebody take something?
        |which thing has vanished?|what was there before and is not now?|please say which object has been taken
        |do you notice anything missing?|what used to be here and is gone?""",
    "new": """has something been added?|what is there now that was not there before?
        |did someone put something new on the table?|can you see any new object?|which thing was added?
        |i want to know what has been added|what came in addition?|do you notice anything new?
        |what has newly appeared?|please say which object is new here
        |is there something that was not here earlier?|which one did somebody add?
        |what did someone add to the table?""",
    "edit_target": """actually, make it {p}|no, it should go {t}|wait, {p} would be better
        |could you do it {t} instead?|i changed my mind, {t}|change the place to {p}|sorry, {t} i mean
        |hold on, i'd prefer {p}|please make the destination {p}|put it {t} instead|take {p} as the goal instead
        |on second thought, {t} please""",
    "edit_object": """wrong one, take {p} rather than {o}|{o} is wrong, i want {p}|i said {o} but i meant {p}
        |please swap {o} for {p}, that is the one i want|no, not {o}, i want {p}
        |actually it should be {p}, not {o}|forget {o}, do it with {p}|could you use {p} rather than {o}?
        |it is {p} that i want, not {o}|{o} was a mistake, {p} is the right one|i'd rather have {p} than {o}
        |drop {o} from the plan and use {p} in its place""",
    "edit_drop": """not {o}, please, let it stay|{o} can stay where it is|please leave {o} out
        |do it without touching {o} this time|i want {o} left out of it|forget about {o}, do the rest
        |could you leave {o} alone?|{o} stays, do the others|take {o} off the list|exclude {o} from the task""",
    "edit_order": """do it in reverse|please swap the order|could you do it the other way around?
        |i want it in the opposite order|go backwards through the list|start from the end
        |change the order round, please|i would rather have it in reverse order|would you begin at the end?""",
    "edit_add": """please include {o}|and take {o} along as well|{o} as well, please|do the same with {o}
        |oh, and {o}|could you do {o} also?|i want {o} included too|{o} should come along too
        |put {o} on the list as well|and on top of that {o}|with {o} in addition|would you add {o} to it, please?""",
    "go_on": """please proceed|you can go on now|go ahead with the rest|could you continue, please?|next step
        |do the next one|ok, carry on with it|i want you to continue|on you go|and now the next one|keep at it
        |finish what you started""",
    "cannot": """sing a song for me|please wash the dishes|could you call my mother?|order a pizza
        |i'd like you to drive me home|write a letter to my boss|boil {o} for five minutes
        |would you turn on the radio?|glue {o} together|vacuum the carpet|set {o} on fire""",
}
NOTES = {
    "broken": """the gripper is jammed|the arm is out of service|the gripper is defective|the arm has no power
        |the gripper no longer closes|the arm cannot be used today|do not use the gripper, it is damaged
        |the arm is stuck and will not move|the gripper has failed|the motor of the arm has burnt out
        |the gripper is not working at the moment|the arm is down until further notice
        |there is no working gripper right now|a finger of the gripper has come off, so it cannot grip""",
    "works": """the gripper is fixed now|the arm is back in service|the gripper can be used again
        |the arm has power again and runs|the gripper is no longer jammed|you may use the arm again
        |the repair of the gripper is done, it is working|the arm is in working order again""",
    "hands_off": """keep your hands off {o}|{o} must not be touched|everybody must leave {o} alone
        |{o} is not to be moved by anyone|nobody is allowed to pick up {o}|no one may move {o}
        |touching {o} is forbidden|{o} has to remain where it is|never take {o}""",
    "closed": """do not put anything into {p}|{p} must stay empty|{p} is off limits, nothing goes in
        |there is no more room in {p}|{p} cannot take anything more|please put nothing in {p}|{p} may not be used
        |nothing more is allowed in {p}|{p} is shut""",
    "near": """the gripper was oiled this morning|the gripper has two fingers|the gripper is made of aluminium
        |the arm is painted orange|the arm has six joints|the gripper got new rubber pads last week
        |the arm came from japan|the gripper is quieter than the old one|the arm was calibrated yesterday
        |peter designed the gripper|the arm weighs eight kilos|the check of the arm went well
        |visitors like the gripper|the arm runs smoothly|{o} is mine|{o} was a present from my sister
        |handle {o} gently|{o} is a bit heavier than it looks|{o} was bought last year|{o} is made of plastic
        |tom likes {o} best|{o} has a small scratch|{o} has been washed|{o} feels soft|i found {o} under the sofa
        |{o} looks pretty|{o} breaks easily, so move it slowly|the children play with {o} a lot
        |{o} is older than the robot|you may take {o} whenever you like|{p} was cleaned this morning
        |{p} has a dent in the corner|{p} belongs to the workshop|{p} has been repainted
        |there is plenty of room in {p}|{p} was empty yesterday|maria brought {p} from home
        |{p} has a smooth bottom|{p} is open""",
    "neutral": """the coffee machine is broken|the window is open|the meeting starts at {n}|lunch is at noon
        |the printer is out of paper|the lamp in the hall flickers|my bicycle has a flat tyre
        |the front door is locked|we have visitors on friday|the dog is asleep|the fridge is full
        |the floor has just been mopped|anna is on holiday this week|the drill is in the cupboard
        |the internet is slow today|do not touch the wet paint on the wall|it is {n} degrees in the room
        |the lift is out of order|the camera has a new lens|the software was updated last night
        |the bus was late this morning|the kettle is still hot|there is cake in the kitchen
        |the room smells of solder|the plants need water|the heating is off|a parcel came for peter
        |the saw needs a new blade|the lab closes at {n}|the phone has been ringing all day""",
}
