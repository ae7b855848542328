locktorture.torture_type=mutex_lock
locktorture.nested_locks=8
locktorture.nwriters_stress=64
locktorture.hold_sleep_us=3000
locktorture.onoff_interval=1
locktorture.onoff_holdoff=2
torture.random_shuffle=1
