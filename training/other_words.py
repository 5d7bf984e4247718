"""How others say it: ten wordings of every kind of task, and notes, as ten sorts of people would speak.

Written by somebody who had seen four examples of each kind and nothing else of `words.py` (those of "push" by one who
had). Never trained on: `evaluate.py --words others` and `--note` ask in these. `{o}` and the like are as there.
"""

TASKS = {
    "push": """could you push {o} {n} cm {w}, please?|{o}, {n} cm {w}, now|you push {o} {w} {n} cm
        |shove {o} {w}, {n} cm|can you move {o} {n} cm {w} for me?|i would like {o} to be {n} cm further {w}
        |okay, so {o} has to go {n} cm {w}|displace {o} by {n} cm {w}|give {o} a little push, {n} cm {w}
        |slide {o} over {w} by {n} cm""",
    "fetch": """could you hand me {o}, dear?|just grab {o} already|i want {o}|give me {o}, please|lift {o}
        |you take {o} now, please|robot, can you pick {o} up for me?|would you be so kind as to pick up {o}?
        |okay, so next i would love it if you could get hold of {o}|grasp {o} and hold it""",
    "put": """would you mind putting {o} {t}, please?|{o} {t}, quick|you put please {o} {t}
        |okay buddy, let us get {o} {t}|can you put {o} {t} for me?|i need {o} moved {t}|now {o} has to go {t}
        |transfer {o} {t}|i would like you to take {o} and put it {t}|drop {o} {t}, would you?""",
    "pair": """could you please put both {o} and {p} {t}?|{o} and {p} {t}, now
        |you take {o} and {p} and put them {t}|i would like {o} and also {p} to go {t}, thank you
        |get {o} and {p} moved {t}|can {o} and {p} go {t} together?|transfer both objects, {o} and {p}, {t}
        |okay, grab {o} and then {p} and bring them both {t}|take {o} {t} and do the same with {p}
        |{o} has to go {t}, and so does {p}""",
    "stack": """could you set {o} on top of {p} for me, please?|{o} on {p}, quickly
        |make a tower with {o} on top and {p} below|you put please {o} over {p}, so it stands on it
        |i want {o} to sit on top of {p}|can you balance {o} on {p}?|stack {o} onto {p}
        |okay, now let us see if you can get {o} to stand on {p}|pile {o} on top of {p}|take {o} and lay it on {p}""",
    "clear": """could you please tidy everything away {t}, dear?|get all this stuff off the table and {t}
        |everything {t}, now|all things from table you put {t}
        |can you put all the stuff {t}, so the table is empty?
        |we are done for today, so let us move everything that is lying here {t}
        |empty the table, move all objects {t}|this table is a mess, just put it all {t}
        |i want nothing left on the table, bring everything {t}|take whatever is on the table and put it {t}""",
    "sort": """could you please sort these, with the {a} going {t} and the {b} {u}?|{a} {t}, {b} {u}, go
        |all {a} you put {t}, and all {b} you put {u}|can you put the {a} {t} and then the {b} {u} for me?
        |separate them: {a} {t}, {b} {u}|i would like the {a} to go {t} and the {b} to go {u}
        |let us make some order here, the {a} should go {t} while the {b} should go {u}
        |move the {a} {t}, then move the {b} {u}|the {a} belong {t} and the {b} belong {u}, so sort them
        |bring all the {a} {t} but all the {b} {u}""",
    "all_of": """would you please put all of the {a} {t}?|all {a} {t}, hurry up|you take all {a} and put {t}
        |can all the {a} go {t}?|i need every single one of the {a} moved {t}|transfer all {a} {t}
        |so, what i would like is for all of the {a} to end up {t}|gather up all the {a} and bring them {t}
        |find all the {a} and move them {t}|the {a} must go {t}, all of them""",
    "count": """could you tell me how many {a} there are, please?|how many {a}?|number of {a}?
        |how many {a} we have?|can you count all the {a} for me?|give me the number of {a}
        |i wonder how many {a} we have got here altogether|{a}, how many in total?|tell me the total count of {a}
        |do you know how many {a} there are?""",
    "count_tray": """could you tell me how many objects there are in the {p}, please?|how many in the {p}?
        |number of objects in the {p}?|how many thing is in the {p}?|can you count the stuff in the {p} for me?
        |i wonder how many things we have got in the {p} by now
        |how full is the {p}, i mean how many things are in it?|give me the object count for the {p}
        |tell me how many items the {p} holds|count what is in the {p}""",
    "where": """do you know where {o} is, dear?|where the heck is {o}?|location of {o}?|where {o} is now?
        |i cannot find {o}, where is it?|say, have you seen {o} anywhere?|give me the position of {o}
        |where did {o} end up?|please show me where {o} is|in which place is {o} at the moment?""",
    "moved": """excuse me, which thing has been moved, please?|what did somebody move?
        |somebody moved something, which one was it?|which thing is not where it was before?|moved object?
        |did you see what got moved?|hey, can you guess what i moved?|something has changed its place, what is it?
        |identify the object that was moved|what thing is now in other place?""",
    "put_back": """could you please put the thing that was moved back in its old place?|put that back
        |back to where it was|the thing what was moved, you bring back please
        |somebody moved something, please return it to its place|can you put it back where it was before?
        |oh, that was not right, please put it back where it came from
        |return the moved object to its previous position|bring it back to its old spot
        |restore the previous position""",
    "gone": """excuse me, which thing has disappeared, please?|what did somebody take away?|missing object?
        |what thing is not here anymore?|hey, what did i take away?|can you tell me which one is missing?
        |somebody has stolen something from the table, what was it?|identify the missing object
        |which object is no longer there?|i think one of the things has vanished, do you know which?""",
    "new": """excuse me, which thing was not here before, please?|what did somebody put here?|new object?
        |which thing is here now and before was not?|hey, can you guess what i added?|do you see which one is new?
        |somebody has left something on the table, what is it?|identify the object that was added
        |which object has just turned up?|i have brought you something new, can you tell me what it is?""",
    "edit_target": """oh sorry, i meant {p}|no no, {p}|better {t}, please|wait, not there, {t}
        |change the destination to {p}|actually, could it go {t}?|no, is wrong place, must go {t}
        |hm, on second thought, make that {p}|target is {p}, not that one|i changed my mind, it should go {t}""",
    "edit_object": """oh dear, i said {o} but i meant {p}|wrong one, {p}, not {o}|no no no, not {o}, i want {p}
        |i not mean {o}, i mean {p}|replace {o} with {p}|sorry, could you use {p} rather than {o}?
        |forget {o}, take {p}|hang on, it should be {p} and not {o}|change {o} to {p}
        |actually, let us have {p} in place of {o}""",
    "edit_drop": """please leave {o} out, dear|skip {o}|forget about {o}|not {o}, this one stays
        |everything except {o}|you can leave {o} alone, it is fine where it is|remove {o} from the plan
        |oh, but {o} can stay there|no need to move {o}|{o} you not take, please""",
    "edit_order": """could you please do it in reverse order?|backwards|reverse it
        |do last one first and first one last|can you do it the wrong way round, from the end to the start?
        |invert the sequence|wait, do it all in the opposite order
        |actually, i would rather have you begin at the end and work back to the beginning|no, last first
        |turn the order around""",
    "edit_add": """oh, and please take {o} as well|plus {o}|{o} as well|and {o} also, please|can {o} come too?
        |don't forget {o}|include {o}|ah, while you are at it, do the same with {o}|{o} should go along with them
        |you can add {o} to that""",
    "go_on": """please go ahead, dear|next|come on, keep going|you can do more now|proceed
        |and now the next one, please|okay, that looks lovely, just keep going|don't stop|can you go on, please?
        |resume""",
    "cannot": """could you water the flowers for me, please?|fix my printer|can you dance?|sing me a song
        |you cook soup for me, please|cut {o} in half|paint {o} green|order us a pizza, would you?
        |call my wife and tell her i will be late|solder the connector""",
}
NOTES = {
    "broken": """i am afraid the gripper has stopped working|the stupid gripper is busted|gripper defective
        |arm is kaput, cannot move|the arm does not move anymore|your hand is broken, robot
        |the gripper won't close|the motor of the arm has burned out, so it is out of order
        |gripper failure, it cannot be used
        |so, bad news, the gripper fell apart this morning and cannot grip anything""",
    "hands_off": """please do not lay a finger on {o}, dear|hands off {o}|{o} is off limits
        |you not touch {o}, please|leave {o} alone, it is mine|nobody is allowed to move {o}
        |keep your gripper away from {o}|never pick up {o}|{o} has fresh glue on it, so it must not be touched
        |{o} must not be moved""",
    "closed": """i am afraid you cannot put anything into {p} right now|don't use {p}|{p} is out of use
        |in {p} is no more place|no more room in {p}|{p} is off limits for now
        |{p} has a lid on it, so nothing goes in|nothing else fits into {p}|{p} is blocked
        |please put nothing more into {p}""",
    "near": """the gripper looks very nice today, dear|the gripper has new rubber pads|arm calibrated this morning
        |the gripper is strong|your arm is so long, robot|the arm was oiled yesterday and runs smoothly
        |the gripper opens very wide|we painted the arm blue last week, it looks great
        |{o} was a present from my grandson|{o} is really pretty|{o} is quite heavy|{o} is from my country
        |i bought {o} at the market on sunday|{o} is my favourite|{o} is a bit scratched
        |{p} was washed this morning|{p} is bigger than it looks|{p} is still empty|{p} is made of plastic
        |my uncle built {p} himself""",
    "neutral": """i had such a lovely cup of tea this morning|meeting at {n} o'clock|my cat is called mimi
        |today is very cold outside|the coffee in the kitchen is finished|room temperature is {n} degrees
        |my train was late again|lunch was really good today, we had pasta and a salad
        |we have {n} visitors this afternoon|tomorrow is my birthday""",
}
