locktorture.torture_type=mutex_lock
locktorture.nested_locks=8
locktorture.nwriters_stress=24
locktorture.rt_boost_factor=1
locktorture.hold_sleep_us=200
locktorture.onoff_interval=0
torture.random_shuffle=1
